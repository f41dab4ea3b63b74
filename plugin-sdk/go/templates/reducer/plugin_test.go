package plugin

import (
	"testing"

	test "github.com/tidemill/tidemill/plugin-sdk/go/tidemilltest"
)

var lines = []test.Record{test.Keyed("k", "a"), test.Keyed("k", "bb"), test.Keyed("k", "")}

func TestRecordsAndBytesAreCounted(t *testing.T) {
	if totals := test.Reduce(t, Plugin, nil, lines...); totals["k"] != "3 records, 3 bytes" {
		t.Error(totals)
	}
}

func TestAnyCutOfTheRecordsGivesTheSame(t *testing.T) {
	test.CheckReducer(t, Plugin, nil, lines...)
}
