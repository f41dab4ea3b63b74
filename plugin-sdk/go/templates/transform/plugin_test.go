package plugin

import (
	"slices"
	"testing"

	test "github.com/tidemill/tidemill/plugin-sdk/go/tidemilltest"
)

func TestShortWordsAreLeftOut(t *testing.T) {
	ran := test.Run(t, Plugin, test.Params{"length_min": 3}, test.Value("to be or not"))
	if got := ran.Keys(); !slices.Equal(got, []string{"not"}) {
		t.Error(got)
	}
}

func TestALineThatIsNoTextIsRejected(t *testing.T) {
	ran := test.Run(t, Plugin, nil, test.Value("\xff"), test.Value("longer"))
	if len(ran.Emitted) != 1 || len(ran.Rejected) != 1 || ran.Rejected[0].Index != 0 {
		t.Error(ran)
	}
}
