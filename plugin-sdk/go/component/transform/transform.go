//go:build wasip1

// Package transform exports a transform from a component, for the entry that `tidemill plugin build` writes.
package transform

import (
	"github.com/tidemill/tidemill/plugin-sdk/go/internal/abi"
	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

var (
	plugin     tidemill.TransformPlugin
	result     abi.Result[abi.Outcome]
	rejections []abi.Rejection
)

// Export says which plugin the component is.
func Export(of tidemill.TransformPlugin, name, version string) {
	plugin = of
	abi.Describes(of, name, version)
}

//go:wasmexport tidemill:plugin/transformer@0.1.0#process
func process(batch abi.Address) abi.Address {
	outcome, err := plugin.Process(abi.BatchAt(batch))
	rejections = rejections[:0]
	for _, rejected := range outcome.Rejected {
		rejections = append(rejections, abi.Rejection{Index: rejected.Index, Reason: abi.TextOf(rejected.Reason)})
	}
	return result.Set(abi.Outcome{
		Emitted:  abi.BatchOf(outcome.Emitted),
		Counts:   abi.ListOf(outcome.Counts),
		Ports:    abi.ListOf(outcome.Ports),
		Rejected: abi.ListOf(rejections),
	}, err)
}
