package tidemilltest

import (
	"testing"

	"github.com/tidemill/tidemill/plugin-sdk/go/internal/columns"
	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

// Rejection is a record that a transform refused.
type Rejection struct {
	Index  int
	Reason string
}

// Ran is what a transform made of records.
type Ran struct {
	Emitted  []Record
	Rejected []Rejection
}

// Keys are those of the emitted records.
func (r Ran) Keys() []string {
	return texts(r.Emitted, func(record Record) []byte { return record.Key })
}

// Values are those of the emitted records.
func (r Ran) Values() []string {
	return texts(r.Emitted, func(record Record) []byte { return record.Value })
}

func texts(records []Record, part func(Record) []byte) []string {
	var all []string
	for _, record := range records {
		all = append(all, string(part(record)))
	}
	return all
}

// Run runs a transform over records in one call.
func Run(t testing.TB, plugin tidemill.TransformPlugin, params Params, records ...Record) Ran {
	t.Helper()
	ran, err := TryRun(plugin, params, records...)
	if err != nil {
		t.Fatalf("the call failed: %v", err)
	}
	return ran
}

// TryRun is [Run], for calls that are to fail.
func TryRun(plugin tidemill.TransformPlugin, params Params, records ...Record) (Ran, error) {
	if err := plugin.Configure(params); err != nil {
		return Ran{}, err
	}
	batch := batchOf(records)
	outcome, err := plugin.Process(readBy(plugin, batch))
	if err != nil {
		return Ran{}, err
	}
	return ranOf(plugin, batch, outcome), nil
}

func ranOf(plugin tidemill.Plugin, batch columns.Batch, outcome columns.Outcome) Ran {
	ran := Ran{}
	emitted := outcome.Emitted
	part := func(emitted, input columns.Column, index, source int) []byte {
		if emitted.Len() != 0 {
			return itemOf(emitted, index)
		}
		return itemOf(input, source)
	}
	for index, source := range sources(outcome, len(batch.Timestamps)) {
		record := Record{
			Key:       part(emitted.Keys, batch.Keys, index, source),
			Value:     part(emitted.Values, batch.Values, index, source),
			Headers:   decode(part(emitted.Headers, batch.Headers, index, source)),
			Timestamp: batch.Timestamps[source],
			Port:      "out",
		}
		if len(emitted.Timestamps) != 0 {
			record.Timestamp = emitted.Timestamps[index]
		}
		if ports := plugin.About().Ports; len(ports) != 0 {
			record.Port = ports[0]
			if len(outcome.Ports) != 0 {
				record.Port = ports[outcome.Ports[index]]
			}
		}
		ran.Emitted = append(ran.Emitted, record)
	}
	for _, rejection := range outcome.Rejected {
		ran.Rejected = append(ran.Rejected, Rejection{int(rejection.Index), rejection.Reason})
	}
	return ran
}

// sources has the input record of each emitted one.
func sources(outcome columns.Outcome, records int) []int {
	var sources []int
	for record := range records {
		count := uint32(1)
		if len(outcome.Counts) != 0 {
			count = outcome.Counts[record]
		}
		for range count {
			sources = append(sources, record)
		}
	}
	return sources
}

// Kept gives the records that a filter keeps.
func Kept(t testing.TB, plugin tidemill.FilterPlugin, params Params, records ...Record) []Record {
	t.Helper()
	if err := plugin.Configure(params); err != nil {
		t.Fatal(err)
	}
	bits, err := plugin.Keep(readBy(plugin, batchOf(records)))
	if err != nil {
		t.Fatalf("the call failed: %v", err)
	}
	var kept []Record
	for index, record := range records {
		if bits[index>>3]>>(index&7)&1 == 1 {
			kept = append(kept, record)
		}
	}
	return kept
}

// Call lays records out once and gives back what runs a transform over them, for benchmarks: only the plugin
// itself is measured.
func Call(plugin tidemill.TransformPlugin, records []Record) func() {
	batch := readBy(plugin, batchOf(records))
	return func() {
		if _, err := plugin.Process(batch); err != nil {
			panic(err)
		}
	}
}
