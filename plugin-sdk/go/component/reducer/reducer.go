//go:build wasip1

// Package reducer exports a reducer from a component, for the entry that `tidemill plugin build` writes.
package reducer

import (
	"github.com/tidemill/tidemill/plugin-sdk/go/internal/abi"
	"github.com/tidemill/tidemill/plugin-sdk/go/internal/columns"
	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

var (
	plugin   tidemill.ReducerPlugin
	column   abi.Result[abi.Column]
	finished abi.Result[abi.Batch]
)

// Export says which plugin the component is.
func Export(of tidemill.ReducerPlugin, name, version string) {
	plugin = of
	abi.Describes(of, name, version)
}

//go:wasmexport tidemill:plugin/reduction@0.1.0#fold
func fold(groups, groupsLength, a, b, c, d, e, f, timestamps, timestampsLength, g, h, i, j, k, l uint32) abi.Address {
	items := columns.Batch{
		Values:     abi.ViewOf(a, b, c, d, e, f),
		Timestamps: abi.Slice[int64](timestamps, timestampsLength),
	}
	folded, err := plugin.Fold(abi.Slice[uint32](groups, groupsLength), items, abi.ViewOf(g, h, i, j, k, l))
	return column.Set(abi.ColumnOf(folded), err)
}

//go:wasmexport tidemill:plugin/reduction@0.1.0#merge
func merge(a, b, c, d, e, f, g, h, i, j, k, l uint32) abi.Address {
	merged, err := plugin.Merge(abi.ViewOf(a, b, c, d, e, f), abi.ViewOf(g, h, i, j, k, l))
	return column.Set(abi.ColumnOf(merged), err)
}

//go:wasmexport tidemill:plugin/reduction@0.1.0#finish
func finish(a, b, c, d, e, f, windows, windowsLength, g, h, i, j, k, l uint32) abi.Address {
	batch, err := plugin.Finish(abi.ViewOf(a, b, c, d, e, f),
		abi.Slice[columns.Window](windows, windowsLength), abi.ViewOf(g, h, i, j, k, l))
	return finished.Set(abi.BatchOf(batch), err)
}
