// Package columns has the columns of byte strings that cross the boundary between host and plugin: one buffer,
// and where each item ends. Nothing here is for authors of plugins.
package columns

// Column is a view of a column. Item i is Data[Offsets[i]:Offsets[i+1]]; bit i of Validity, least significant
// first, is set where it is present, and all are where Validity is empty.
type Column struct {
	Data     []byte
	Offsets  []uint32
	Validity []byte
}

// Len is the number of items.
func (c *Column) Len() int {
	return max(len(c.Offsets)-1, 0)
}

// Item is a view of item i; an absent one is empty, and so is each of a column without items.
func (c *Column) Item(i int) []byte {
	if i+1 >= len(c.Offsets) {
		return nil
	}
	start, end := c.Offsets[i], c.Offsets[i+1]
	// Its capacity ends with it: an author who appends to it must not write into the next item.
	return c.Data[start:end:end]
}

// Has tells whether item i is present; none is in a column without items.
func (c *Column) Has(i int) bool {
	if i+1 >= len(c.Offsets) {
		return false
	}
	return len(c.Validity) == 0 || c.Validity[i>>3]>>(i&7)&1 == 1
}

// Batch has the records of a call. A column without items: no record has that part, or it is not read.
type Batch struct {
	Keys, Values, Headers Column
	Timestamps            []int64
}

// Len is the number of records: that of the longest column, for what is not read has no items.
func (b *Batch) Len() int {
	return max(b.Keys.Len(), b.Values.Len(), b.Headers.Len(), len(b.Timestamps))
}

// Window is half open, in milliseconds since 1970-01-01 UTC.
type Window struct {
	Start, End int64
}

// Rejection is a record that the plugin refuses.
type Rejection struct {
	Index  uint32
	Reason string
}

// Outcome is what a transform makes of a batch, as the contract has it.
type Outcome struct {
	Emitted  Batch
	Counts   []uint32
	Ports    []uint16
	Rejected []Rejection
}
