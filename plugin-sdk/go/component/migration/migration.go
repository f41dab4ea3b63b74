//go:build wasip1

// Package migration exports a reducer's Migrate from a component, beside package reducer.
package migration

import (
	"github.com/tidemill/tidemill/plugin-sdk/go/internal/abi"
	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

var (
	plugin   tidemill.ReducerPlugin
	migrated abi.Result[abi.Column]
)

// Export says which plugin the component is.
func Export(of tidemill.ReducerPlugin) {
	plugin = of
}

//go:wasmexport tidemill:plugin/migration@0.1.0#migrate
func migrate(fromVersion, a, b, c, d, e, f uint32) abi.Address {
	states := abi.ViewOf(a, b, c, d, e, f)
	column, err := plugin.Migrate(fromVersion, states)
	return migrated.Set(abi.ColumnOf(column), err)
}
