package plugin

import (
	"slices"
	"testing"

	"github.com/tidemill/tidemill/plugin-sdk/go/tidemilltest"
)

func TestLettersAreFolded(t *testing.T) {
	ran := tidemilltest.Run(t, Plugin, nil, tidemilltest.Value("a Line, 7"), tidemilltest.Value(""))
	if got := ran.Values(); !slices.Equal(got, []string{"A LINE, 7", ""}) {
		t.Error(got)
	}
}
