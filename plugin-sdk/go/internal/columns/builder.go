package columns

import "slices"

// Builder makes a column. What was appended becomes an item by End or Absent; its buffers stay for the next
// column, so that a plugin that runs for days allocates nothing for its results.
type Builder struct {
	data     []byte
	offsets  []uint32
	validity []byte
	begun    bool
}

// Reset forgets all items.
func (b *Builder) Reset() {
	b.data, b.offsets, b.validity, b.begun = b.data[:0], b.offsets[:0], b.validity[:0], false
}

// Begin makes it a column that has items, though none yet.
func (b *Builder) Begin(bytes, items int) {
	if cap(b.data) < bytes {
		b.data = make([]byte, 0, bytes)
	}
	if cap(b.offsets) < items+1 {
		b.offsets = make([]uint32, 0, items+1)
	}
	b.offsets = append(b.offsets, 0)
	b.begun = true
}

// Begun tells whether it is a column that has items.
func (b *Builder) Begun() bool {
	return b.begun
}

// Len is the number of items that have ended.
func (b *Builder) Len() int {
	return max(len(b.offsets)-1, 0)
}

// Append adds to the item at hand.
func (b *Builder) Append(bytes []byte) {
	b.data = append(b.data, bytes...)
}

// AppendString adds to the item at hand.
func (b *Builder) AppendString(text string) {
	b.data = append(b.data, text...)
}

// Extend has write append to the item at hand; what came before it is not to be changed.
func (b *Builder) Extend(write func([]byte) []byte) {
	b.data = write(b.data)
}

// Reserve adds so many bytes to the item at hand, of any content.
func (b *Builder) Reserve(length int) []byte {
	start := len(b.data)
	b.data = slices.Grow(b.data, length)[:start+length]
	return b.data[start : start+length : start+length]
}

// Drop forgets what was added to the item at hand.
func (b *Builder) Drop() {
	b.data = b.data[:b.offsets[len(b.offsets)-1]]
}

// End makes an item of what was added.
func (b *Builder) End() {
	if len(b.validity) != 0 {
		b.mark(b.Len(), true)
	}
	b.offsets = append(b.offsets, uint32(len(b.data)))
}

// Absent makes an item that is absent.
func (b *Builder) Absent() {
	item := b.Len()
	if len(b.validity) == 0 {
		for before := 0; before < item; before++ {
			b.mark(before, true)
		}
	}
	b.mark(item, false)
	b.offsets = append(b.offsets, b.offsets[item])
}

// Copy adds item i of another column.
func (b *Builder) Copy(from *Column, i int) {
	if !from.Has(i) {
		b.Absent()
		return
	}
	b.Append(from.Item(i))
	b.End()
}

// Truncate leaves the first items alone.
func (b *Builder) Truncate(items int) {
	b.offsets = b.offsets[:items+1]
	b.data = b.data[:b.offsets[items]]
	if len(b.validity) != 0 {
		b.validity = b.validity[:(items+7)/8]
	}
}

// Bytes is the length of all items, with what was added to the one at hand.
func (b *Builder) Bytes() int {
	return len(b.data)
}

// Column is a view of all items.
func (b *Builder) Column() Column {
	return Column{b.data, b.offsets, b.validity}
}

func (b *Builder) mark(item int, present bool) {
	if item>>3 == len(b.validity) {
		b.validity = append(b.validity, 0)
	}
	bit := byte(1) << (item & 7)
	if present {
		b.validity[item>>3] |= bit
	} else {
		b.validity[item>>3] &^= bit
	}
}
