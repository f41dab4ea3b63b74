package tidemill

import (
	"errors"
	"fmt"

	"github.com/tidemill/tidemill/plugin-sdk/go/internal/columns"
)

// Emitter writes records into the result. A part that is not set stays what it is in the input record:
//
//	out.Key(word).NoValue().Emit()
//
// What is set without an Emit is dropped with the next record.
type Emitter struct {
	about *About
	input *columns.Batch

	keys, values, headers columns.Builder
	timestamps            []int64
	ports                 []uint16
	counts                []uint32
	rejected              []columns.Rejection

	// Of the input record at hand.
	current    int
	before     int
	isRejected bool
	// Whether each record until now has emitted exactly one.
	oneEach bool

	emitted int
	draft   draft
	err     error
}

// draft is what was set since the last Emit.
type draft struct {
	key, value, headers, timestamp state
	at                             int64
	port                           uint16
}

type state uint8

const (
	inherited state = iota
	present
	absent
)

// Key sets the key.
func (e *Emitter) Key(key []byte) *Emitter {
	if e.begin(&e.keys, &e.draft.key, Keys) {
		e.keys.Append(key)
	}
	return e
}

// KeyString sets the key.
func (e *Emitter) KeyString(key string) *Emitter {
	if e.begin(&e.keys, &e.draft.key, Keys) {
		e.keys.AppendString(key)
	}
	return e
}

// AppendKey has write append the key to the result's own buffer, as strconv.AppendInt does. What write is given
// is not to be looked at.
func (e *Emitter) AppendKey(write func(to []byte) []byte) *Emitter {
	if e.begin(&e.keys, &e.draft.key, Keys) {
		e.keys.Extend(write)
	}
	return e
}

// NoKey makes the key absent.
func (e *Emitter) NoKey() *Emitter {
	if e.begin(&e.keys, &e.draft.key, Keys) {
		e.draft.key = absent
	}
	return e
}

// Value sets the value.
func (e *Emitter) Value(value []byte) *Emitter {
	if e.begin(&e.values, &e.draft.value, Values) {
		e.values.Append(value)
	}
	return e
}

// ValueString sets the value.
func (e *Emitter) ValueString(value string) *Emitter {
	if e.begin(&e.values, &e.draft.value, Values) {
		e.values.AppendString(value)
	}
	return e
}

// AppendValue has write append the value to the result's own buffer, as strconv.AppendInt does. What write is
// given is not to be looked at.
func (e *Emitter) AppendValue(write func(to []byte) []byte) *Emitter {
	if e.begin(&e.values, &e.draft.value, Values) {
		e.values.Extend(write)
	}
	return e
}

// NoValue makes the value absent.
func (e *Emitter) NoValue() *Emitter {
	if e.begin(&e.values, &e.draft.value, Values) {
		e.draft.value = absent
	}
	return e
}

// Headers sets all headers.
func (e *Emitter) Headers(headers ...Header) *Emitter {
	if e.begin(&e.headers, &e.draft.headers, Headers) {
		e.headers.Extend(func(to []byte) []byte { return appendHeaders(to, headers) })
	}
	return e
}

// Timestamp sets the event time, milliseconds since 1970-01-01 UTC.
func (e *Emitter) Timestamp(at int64) *Emitter {
	e.draft.timestamp, e.draft.at = present, at
	return e
}

// Port chooses the output, by its index in the plugin's ports; 0 is the default.
func (e *Emitter) Port(port int) *Emitter {
	if port < 0 || port >= max(len(e.about.Ports), 1) {
		e.fail(fmt.Errorf("there is no port %d; the plugin has %d", port, max(len(e.about.Ports), 1)))
		return e
	}
	e.draft.port = uint16(port)
	return e
}

// Emit ends a record.
func (e *Emitter) Emit() {
	if e.isRejected || e.current < 0 {
		e.dropDraft()
		return
	}
	e.end(&e.keys, &e.input.Keys, e.draft.key, Keys)
	e.end(&e.values, &e.input.Values, e.draft.value, Values)
	e.end(&e.headers, &e.input.Headers, e.draft.headers, Headers)
	if e.draft.timestamp == present || len(e.timestamps) != 0 {
		e.endTimestamp()
	}
	if e.draft.port != 0 || len(e.ports) != 0 {
		for len(e.ports) < e.emitted {
			e.ports = append(e.ports, 0)
		}
		e.ports = append(e.ports, e.draft.port)
	}
	e.draft = draft{}
	e.counts[e.current]++
	e.emitted++
}

// Reject refuses the record at hand: what it has emitted is taken back, the operator's policy says what becomes
// of it, and the other records go on.
func (e *Emitter) Reject(reason string) {
	if e.isRejected || e.current < 0 {
		return
	}
	e.dropDraft()
	for _, column := range []*columns.Builder{&e.keys, &e.values, &e.headers} {
		if column.Begun() {
			column.Truncate(min(e.before, column.Len()))
		}
	}
	e.timestamps = e.timestamps[:min(e.before, len(e.timestamps))]
	e.ports = e.ports[:min(e.before, len(e.ports))]
	e.emitted, e.counts[e.current] = e.before, 0
	e.isRejected = true
	e.rejected = append(e.rejected, columns.Rejection{Index: uint32(e.current), Reason: reason})
}

func (e *Emitter) reset(input *columns.Batch, records int) {
	e.input = input
	e.keys.Reset()
	e.values.Reset()
	e.headers.Reset()
	e.timestamps, e.ports, e.rejected = e.timestamps[:0], e.ports[:0], e.rejected[:0]
	if cap(e.counts) < records {
		e.counts = make([]uint32, records)
	}
	e.counts = e.counts[:records]
	clear(e.counts)
	e.current, e.before, e.emitted, e.isRejected, e.oneEach = -1, 0, 0, false, true
	e.draft, e.err = draft{}, nil
}

func (e *Emitter) beginRecord(index int) {
	if index <= e.current {
		e.fail(errors.New("records are gone over once in a call"))
	}
	e.dropDraft()
	if e.current >= 0 && e.counts[e.current] != 1 {
		e.oneEach = false
	}
	e.current, e.before, e.isRejected = index, e.emitted, false
}

// begin gets a column ready for the draft's item. False where the part may not be set.
func (e *Emitter) begin(column *columns.Builder, state *state, part Parts) bool {
	if !column.Begun() {
		e.beginColumn(column, part)
	}
	column.Drop()
	*state = present
	return true
}

// beginColumn gives those items to a column that were emitted before some record set it.
func (e *Emitter) beginColumn(column *columns.Builder, part Parts) {
	input := e.partOf(part)
	column.Begin(len(input.Data)+len(input.Data)/8, len(e.counts))
	if e.emitted > 0 {
		e.mustRead(part)
	}
	for source, count := range e.counts {
		for range count {
			column.Copy(input, source)
		}
	}
}

func (e *Emitter) partOf(part Parts) *columns.Column {
	switch part {
	case Keys:
		return &e.input.Keys
	case Values:
		return &e.input.Values
	default:
		return &e.input.Headers
	}
}

func (e *Emitter) end(column *columns.Builder, input *columns.Column, state state, part Parts) {
	if !column.Begun() {
		return
	}
	switch state {
	case present:
		column.End()
	case absent:
		column.Absent()
	default:
		e.mustRead(part)
		column.Copy(input, e.current)
	}
}

func (e *Emitter) endTimestamp() {
	if len(e.timestamps) == 0 && e.emitted > 0 {
		e.mustRead(Timestamps)
		for source, count := range e.counts {
			for range count {
				e.timestamps = append(e.timestamps, Record{e.input, source}.Timestamp())
			}
		}
	}
	at := e.draft.at
	if e.draft.timestamp != present {
		e.mustRead(Timestamps)
		at = Record{e.input, e.current}.Timestamp()
	}
	e.timestamps = append(e.timestamps, at)
}

// mustRead fails the call where some records set a part and others keep it, which is then to be copied.
func (e *Emitter) mustRead(part Parts) {
	if e.about.Reads&part == 0 {
		e.fail(fmt.Errorf(
			"some records set their %s and others keep them, but the plugin does not read them: "+
				"set them for all, or add them to Reads", part))
	}
}

func (e *Emitter) dropDraft() {
	if e.draft == (draft{}) {
		return
	}
	for _, column := range []*columns.Builder{&e.keys, &e.values, &e.headers} {
		if column.Begun() {
			column.Drop()
		}
	}
	e.draft = draft{}
}

func (e *Emitter) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *Emitter) outcome() columns.Outcome {
	e.dropDraft()
	outcome := columns.Outcome{
		Emitted: columns.Batch{
			Keys:       e.keys.Column(),
			Values:     e.values.Column(),
			Headers:    e.headers.Column(),
			Timestamps: e.timestamps,
		},
		Counts: e.counts, Ports: e.ports, Rejected: e.rejected,
	}
	visited := e.current + 1
	if e.oneEach && visited == len(e.counts) && (visited == 0 || e.counts[e.current] == 1) {
		outcome.Counts = nil
	}
	return outcome
}
