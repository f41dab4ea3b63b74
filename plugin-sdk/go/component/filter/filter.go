//go:build wasip1

// Package filter exports a filter from a component, for the entry that `tidemill plugin build` writes.
package filter

import (
	"github.com/tidemill/tidemill/plugin-sdk/go/internal/abi"
	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

var (
	plugin tidemill.FilterPlugin
	result abi.Result[abi.List]
)

// Export says which plugin the component is.
func Export(of tidemill.FilterPlugin, name, version string) {
	plugin = of
	abi.Describes(of, name, version)
}

//go:wasmexport tidemill:plugin/predicate@0.1.0#keep
func keep(batch abi.Address) abi.Address {
	bits, err := plugin.Keep(abi.BatchAt(batch))
	return result.Set(abi.ListOf(bits), err)
}
