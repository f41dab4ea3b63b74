package plugin

import (
	"testing"

	test "github.com/tidemill/tidemill/plugin-sdk/go/tidemilltest"
)

func TestLinesWithoutTheTextAreDropped(t *testing.T) {
	lines := []test.Record{test.Value("an error"), test.Value("all is well"), test.Value("error")}
	if kept := test.Kept(t, Plugin, nil, lines...); len(kept) != 2 || string(kept[1].Value) != "error" {
		t.Error(kept)
	}
	kept := test.Kept(t, Plugin, test.Params{"text": "well"}, lines...)
	if len(kept) != 1 || string(kept[0].Value) != "all is well" {
		t.Error(kept)
	}
}
