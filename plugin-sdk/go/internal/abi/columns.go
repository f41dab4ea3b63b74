//go:build wasip1

package abi

import (
	"unsafe"

	"github.com/tidemill/tidemill/plugin-sdk/go/internal/columns"
	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

// Column in the contract's layout.
type Column struct {
	Data, Offsets, Validity List
}

// Batch in the contract's layout.
type Batch struct {
	Keys, Values, Headers Column
	Timestamps            List
}

// Outcome in the contract's layout.
type Outcome struct {
	Emitted                 Batch
	Counts, Ports, Rejected List
}

// Rejection in the contract's layout.
type Rejection struct {
	Index  uint32
	Reason List
}

// View is what lies behind a column.
func (c *Column) View() columns.Column {
	return columns.Column{
		Data:     Slice[byte](c.Data.At, c.Data.Length),
		Offsets:  Slice[uint32](c.Offsets.At, c.Offsets.Length),
		Validity: Slice[byte](c.Validity.At, c.Validity.Length),
	}
}

// ViewOf is what lies behind a column that is taken apart: up to 16 words of parameters are handed over as they are.
func ViewOf(data, dataLength, offsets, offsetsLength, validity, validityLength uint32) columns.Column {
	column := Column{
		Data:     List{At: data, Length: dataLength},
		Offsets:  List{At: offsets, Length: offsetsLength},
		Validity: List{At: validity, Length: validityLength},
	}
	return column.View()
}

// BatchAt is what lies behind a batch that was handed over.
func BatchAt(at Address) columns.Batch {
	batch := (*Batch)(unsafe.Pointer(uintptr(at)))
	return columns.Batch{
		Keys: batch.Keys.View(), Values: batch.Values.View(), Headers: batch.Headers.View(),
		Timestamps: Slice[int64](batch.Timestamps.At, batch.Timestamps.Length),
	}
}

// ColumnOf lays a column out.
func ColumnOf(column columns.Column) Column {
	return Column{ListOf(column.Data), ListOf(column.Offsets), ListOf(column.Validity)}
}

// BatchOf lays a batch out.
func BatchOf(batch columns.Batch) Batch {
	return Batch{
		ColumnOf(batch.Keys), ColumnOf(batch.Values), ColumnOf(batch.Headers), ListOf(batch.Timestamps),
	}
}

// Result is `result<T, failure>`.
type Result[T any] struct {
	isErr uint32
	value union[T]
}

// union has room for either; no T of the contract is smaller than a failure but the bitmap.
type union[T any] struct {
	value T
	room  failure
}

// failure in the contract's layout.
type failure struct {
	isFatal uint32
	message List
}

var message string

// Set makes it a value, or the failure where there is one, and gives its address. It is static, so that it stays
// where it is while the host reads it.
func (r *Result[T]) Set(value T, err error) Address {
	Done()
	r.isErr, r.value.value = 0, value
	if err != nil {
		message = err.Error()
		failed := failure{isFatal: 1, message: TextOf(message)}
		if tidemill.IsRetryable(err) {
			failed.isFatal = 0
		}
		r.isErr = 1
		*(*failure)(unsafe.Pointer(&r.value)) = failed
	}
	return AddressOf(r)
}
