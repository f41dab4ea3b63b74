package tidemill

import (
	"fmt"
	"slices"

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

	// The parts that have a column, those that were set since the last Emit, and which of these are absent, or have
	// a column only since then.
	begun, draft, absent, opened Parts
	at                           int64
	port                         uint16

	// Of the input record at hand; it is open until it is rejected.
	current int
	before  int
	isOpen  bool

	emitted int
	err     error
}

// ports is a part beside those of a record.
const ports Parts = 16

const columnParts = Keys | Values | Headers

// Key sets the key.
func (e *Emitter) Key(key []byte) *Emitter {
	e.begin(&e.keys, Keys)
	e.keys.Append(key)
	return e
}

// KeyString sets the key.
func (e *Emitter) KeyString(key string) *Emitter {
	e.begin(&e.keys, Keys)
	e.keys.AppendString(key)
	return e
}

// AppendKey has write append the key to the result's own buffer, as strconv.AppendInt does. What write is given
// is not to be looked at.
func (e *Emitter) AppendKey(write func(to []byte) []byte) *Emitter {
	e.begin(&e.keys, Keys)
	e.keys.Extend(write)
	return e
}

// ReserveKey sets the key to so many bytes of the result's own buffer, for the author to fill, all of them, before
// anything else is done with the emitter.
func (e *Emitter) ReserveKey(length int) []byte {
	e.begin(&e.keys, Keys)
	return e.keys.Reserve(length)
}

// NoKey makes the key absent.
func (e *Emitter) NoKey() *Emitter {
	e.begin(&e.keys, Keys)
	e.absent |= Keys
	return e
}

// Value sets the value.
func (e *Emitter) Value(value []byte) *Emitter {
	e.begin(&e.values, Values)
	e.values.Append(value)
	return e
}

// ValueString sets the value.
func (e *Emitter) ValueString(value string) *Emitter {
	e.begin(&e.values, Values)
	e.values.AppendString(value)
	return e
}

// AppendValue has write append the value to the result's own buffer, as strconv.AppendInt does. What write is
// given is not to be looked at.
func (e *Emitter) AppendValue(write func(to []byte) []byte) *Emitter {
	e.begin(&e.values, Values)
	e.values.Extend(write)
	return e
}

// ReserveValue sets the value to so many bytes of the result's own buffer, for the author to fill, all of them, before
// anything else is done with the emitter.
func (e *Emitter) ReserveValue(length int) []byte {
	e.begin(&e.values, Values)
	return e.values.Reserve(length)
}

// NoValue makes the value absent.
func (e *Emitter) NoValue() *Emitter {
	e.begin(&e.values, Values)
	e.absent |= Values
	return e
}

// Headers sets all headers.
func (e *Emitter) Headers(headers ...Header) *Emitter {
	e.begin(&e.headers, Headers)
	e.headers.Extend(func(to []byte) []byte { return appendHeaders(to, headers) })
	return e
}

// Timestamp sets the event time, milliseconds since 1970-01-01 UTC.
func (e *Emitter) Timestamp(at int64) *Emitter {
	e.draft |= Timestamps
	e.at = at
	return e
}

// Port chooses the output, by its index in the plugin's ports; 0 is the default.
func (e *Emitter) Port(port int) *Emitter {
	if port < 0 || port >= max(len(e.about.Ports), 1) {
		e.fail(fmt.Errorf("there is no port %d; the plugin has %d", port, max(len(e.about.Ports), 1)))
		return e
	}
	e.port = uint16(port)
	if port != 0 {
		e.draft |= ports
	}
	return e
}

// Emit ends a record.
func (e *Emitter) Emit() {
	if !e.isOpen {
		e.dropDraft()
		return
	}
	// Most plugins set the same columns in every record. Calls are dear in a component: what is common has few.
	if e.draft == e.begun && e.draft&^columnParts == 0 && e.absent|e.opened == 0 {
		if e.draft&Values != 0 {
			e.values.End()
		}
		if e.draft&Keys != 0 {
			e.keys.End()
		}
		if e.draft&Headers != 0 {
			e.headers.End()
		}
	} else {
		e.endAll()
	}
	e.draft, e.absent, e.opened = 0, 0, 0
	e.counts[e.current]++
	e.emitted++
}

// endAll is for records that keep a part, have one absent, or set what is no column.
func (e *Emitter) endAll() {
	e.end(&e.keys, &e.input.Keys, Keys)
	e.end(&e.values, &e.input.Values, Values)
	e.end(&e.headers, &e.input.Headers, Headers)
	if (e.draft|e.begun)&Timestamps != 0 {
		e.endTimestamp()
	}
	if (e.draft|e.begun)&ports != 0 {
		for len(e.ports) < e.emitted {
			e.ports = append(e.ports, 0)
		}
		e.ports = append(e.ports, e.port)
		e.begun |= ports
		e.port = 0
	}
}

// Reject refuses the record at hand: what it has emitted is taken back, the operator's policy says what becomes
// of it, and the other records go on.
func (e *Emitter) Reject(reason string) {
	if !e.isOpen {
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
	if e.emitted == 0 {
		e.forgetColumns()
	}
	e.isOpen = false
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
	e.current, e.before, e.emitted, e.isOpen = -1, 0, 0, false
	e.begun, e.draft, e.absent, e.opened, e.err = 0, 0, 0, 0, nil
}

func (e *Emitter) beginRecord(index int) {
	if e.draft != 0 {
		e.dropDraft()
	}
	e.current, e.before, e.isOpen = index, e.emitted, true
}

// begin gets a column ready for the draft's item, and forgets what was set before it.
func (e *Emitter) begin(column *columns.Builder, part Parts) {
	if e.begun&part == 0 || e.draft&part != 0 {
		e.beginOrDrop(column, part)
	}
	e.draft |= part
}

func (e *Emitter) beginOrDrop(column *columns.Builder, part Parts) {
	if e.begun&part == 0 {
		e.beginColumn(column, part)
	} else {
		column.Drop()
	}
	e.absent &^= part
}

// beginColumn gives those items to a column that were emitted before some record set it.
func (e *Emitter) beginColumn(column *columns.Builder, part Parts) {
	input := e.partOf(part)
	column.Begin(len(input.Data)+len(input.Data)/8, len(e.counts))
	e.begun |= part
	e.opened |= part
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

func (e *Emitter) end(column *columns.Builder, input *columns.Column, part Parts) {
	if e.opened&part != 0 && e.emitted > 0 {
		e.mustRead(part)
	}
	switch {
	case e.begun&part == 0:
	case e.absent&part != 0:
		column.Drop()
		column.Absent()
	case e.draft&part != 0:
		column.End()
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
	at := e.at
	if e.draft&Timestamps == 0 {
		e.mustRead(Timestamps)
		at = Record{e.input, e.current}.Timestamp()
	}
	e.timestamps = append(e.timestamps, at)
	e.begun |= Timestamps
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
	dropPart(&e.keys, e.opened&Keys != 0)
	dropPart(&e.values, e.opened&Values != 0)
	dropPart(&e.headers, e.opened&Headers != 0)
	e.begun &^= e.opened
	e.draft, e.absent, e.opened, e.port = 0, 0, 0, 0
}

func dropPart(column *columns.Builder, isNew bool) {
	if isNew {
		column.Reset()
	} else if column.Begun() {
		column.Drop()
	}
}

// forgetColumns is for when nothing has been emitted: no part needs a column yet.
func (e *Emitter) forgetColumns() {
	e.keys.Reset()
	e.values.Reset()
	e.headers.Reset()
	e.timestamps, e.ports, e.begun = e.timestamps[:0], e.ports[:0], 0
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
	// Exactly one each is said by no counts.
	if e.emitted == len(e.counts) && !slices.ContainsFunc(e.counts, isNotOne) {
		outcome.Counts = nil
	}
	return outcome
}

func isNotOne(count uint32) bool { return count != 1 }
