package tidemill

import (
	"errors"
	"iter"
	"unicode/utf8"
	"unsafe"

	"github.com/tidemill/tidemill/plugin-sdk/go/internal/columns"
)

// ErrNotText is what [Record.Text] gives for bytes that are not UTF-8.
var ErrNotText = errors.New("the value is not UTF-8")

// Records are those of one call.
type Records struct {
	batch   columns.Batch
	length  int
	emitter *Emitter
}

// Len is the number of records.
func (r *Records) Len() int {
	return r.length
}

// All goes over the records, in order and once: what is emitted belongs to the record at hand.
func (r *Records) All() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		if r.emitter.current >= 0 {
			r.emitter.fail(errors.New("records are gone over once in a call"))
			return
		}
		for index := range r.length {
			r.emitter.beginRecord(index)
			if !yield(Record{&r.batch, index}) {
				return
			}
		}
	}
}

// Record is an input record. Parts that the plugin does not read are absent.
type Record struct {
	batch *columns.Batch
	index int
}

// Index is the record's place in the call.
func (r Record) Index() int { return r.index }

// Value is the value, empty where there is none. It is a view: copy what is to be changed.
func (r Record) Value() []byte { return r.batch.Values.Item(r.index) }

// HasValue tells an empty value from none.
func (r Record) HasValue() bool { return r.batch.Values.Has(r.index) }

// Text is the value as text, without a copy.
func (r Record) Text() (string, error) {
	value := r.Value()
	if !utf8.Valid(value) {
		return "", ErrNotText
	}
	return textOf(value), nil
}

// Key is the key, empty where there is none.
func (r Record) Key() []byte { return r.batch.Keys.Item(r.index) }

// HasKey tells an empty key from none.
func (r Record) HasKey() bool { return r.batch.Keys.Has(r.index) }

// Headers are decoded as they are asked for.
func (r Record) Headers() iter.Seq[Header] {
	return DecodeHeaders(r.batch.Headers.Item(r.index))
}

// Header is the value of the last header with that name, as Kafka's clients look one up.
func (r Record) Header(name string) (value []byte, found bool) {
	for header := range r.Headers() {
		if header.Name == name {
			value, found = header.Value, true
		}
	}
	return value, found
}

// Timestamp is the event time, milliseconds since 1970-01-01 UTC.
func (r Record) Timestamp() int64 {
	if r.index >= len(r.batch.Timestamps) {
		return 0
	}
	return r.batch.Timestamps[r.index]
}

func textOf(bytes []byte) string {
	return unsafe.String(unsafe.SliceData(bytes), len(bytes))
}
