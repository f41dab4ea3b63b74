// Package tidemilltest runs plugins natively, over records and without a host, as a host would run them.
//
//	ran := tidemilltest.Run(t, Plugin, tidemilltest.Params{"length_min": 3}, tidemilltest.Value("to be or not"))
//	if got := ran.Keys(); !slices.Equal(got, []string{"not"}) {
//		t.Error(got)
//	}
package tidemilltest

import (
	"encoding/binary"
	"slices"

	"github.com/tidemill/tidemill/plugin-sdk/go/internal/columns"
	"github.com/tidemill/tidemill/plugin-sdk/go/internal/host"
	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

// Params are what a pipeline sets.
type Params map[string]any

// Record goes into a plugin or came out of it; a part that is nil is absent.
type Record struct {
	Key, Value []byte
	Headers    []tidemill.Header
	Timestamp  int64
	// Of an emitted record: the name of its output.
	Port string
}

// Value is a record with that value.
func Value(value string) Record {
	return Record{Value: []byte(value)}
}

// Keyed is a record with that key and value.
func Keyed(key, value string) Record {
	return Record{Key: []byte(key), Value: []byte(value)}
}

// batchOf lays records out as columns; a part that no record has is a column without items.
func batchOf(records []Record) columns.Batch {
	part := func(of func(Record) []byte) columns.Column {
		if !slices.ContainsFunc(records, func(record Record) bool { return of(record) != nil }) {
			return columns.Column{}
		}
		var builder columns.Builder
		builder.Begin(0, len(records))
		for _, record := range records {
			if item := of(record); item != nil {
				builder.Append(item)
				builder.End()
			} else {
				builder.Absent()
			}
		}
		return builder.Column()
	}
	batch := columns.Batch{
		Keys:    part(func(record Record) []byte { return record.Key }),
		Values:  part(func(record Record) []byte { return record.Value }),
		Headers: part(func(record Record) []byte { return encode(record.Headers) }),
	}
	for _, record := range records {
		batch.Timestamps = append(batch.Timestamps, record.Timestamp)
	}
	return batch
}

// readBy is what a plugin gets of a batch, as a host hands it over: the timestamps show how many records there
// are where nothing else does.
func readBy(plugin tidemill.Plugin, batch columns.Batch) columns.Batch {
	reads := plugin.About().Reads
	read := columns.Batch{Timestamps: batch.Timestamps}
	if reads&tidemill.Keys != 0 {
		read.Keys = batch.Keys
	}
	if reads&tidemill.Values != 0 {
		read.Values = batch.Values
	}
	if reads&tidemill.Headers != 0 {
		read.Headers = batch.Headers
	}
	return read
}

// itemOf is nil for an absent item; a copy, for a plugin's buffers are its next result's.
func itemOf(column columns.Column, index int) []byte {
	if !column.Has(index) {
		return nil
	}
	return append([]byte{}, column.Item(index)...)
}

func encode(headers []tidemill.Header) []byte {
	if headers == nil {
		return nil
	}
	to := binary.AppendVarint(nil, int64(len(headers)))
	for _, header := range headers {
		to = append(binary.AppendVarint(to, int64(len(header.Name))), header.Name...)
		if header.Value == nil {
			to = binary.AppendVarint(to, -1)
		} else {
			to = append(binary.AppendVarint(to, int64(len(header.Value))), header.Value...)
		}
	}
	return to
}

func decode(encoded []byte) []tidemill.Header {
	if encoded == nil {
		return nil
	}
	headers := []tidemill.Header{}
	for header := range tidemill.DecodeHeaders(encoded) {
		headers = append(headers, header)
	}
	return headers
}

// Messages gives what plugins have logged, and forgets it.
func Messages() []string {
	var texts []string
	for _, message := range host.Messages {
		texts = append(texts, message.Text)
	}
	host.Messages = nil
	return texts
}

// Counter is what plugins have added to a counter, by its name and labels: `words port=out`.
func Counter(name string) uint64 {
	return host.Counters[name]
}
