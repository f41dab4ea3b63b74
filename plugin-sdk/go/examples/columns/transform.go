//go:build wasip1

// Package transform is the same without the emitter, on the columns themselves: what `tests/bench/sdks` compares
// with. There it takes the place of the SDK's package of that name.
package transform

import (
	"slices"

	"github.com/tidemill/tidemill/plugin-sdk/go/internal/abi"
	"github.com/tidemill/tidemill/plugin-sdk/go/internal/columns"
	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

var (
	result  abi.Result[abi.Outcome]
	data    []byte
	offsets []uint32
)

// Export says which plugin the component is.
func Export(of tidemill.TransformPlugin, name, version string) {
	abi.Describes(of, name, version)
}

//go:wasmexport tidemill:plugin/transformer@0.1.0#process
func process(at abi.Address) abi.Address {
	values := abi.BatchAt(at).Values
	data, offsets = data[:0], append(offsets[:0], 0)
	for index := range len(values.Offsets) - 1 {
		value := values.Data[values.Offsets[index]:values.Offsets[index+1]]
		start := len(data)
		data = slices.Grow(data, len(value))[:start+len(value)]
		to := data[start:]
		for index, letter := range value {
			if letter >= 'a' && letter <= 'z' {
				letter -= 32
			}
			to[index] = letter
		}
		offsets = append(offsets, uint32(len(data)))
	}
	column := columns.Column{Data: data, Offsets: offsets}
	return result.Set(abi.Outcome{Emitted: abi.BatchOf(columns.Batch{Values: column})}, nil)
}
