// Package plugin folds each value to upper case.
package plugin

import "github.com/tidemill/tidemill/plugin-sdk/go/tidemill"

// Plugin is what the component exports.
var Plugin = tidemill.Transform(tidemill.About{
	Summary: "Folds the letters of ASCII in each value to upper case",
	Reads:   tidemill.Values,
}, func(_ *tidemill.None, records *tidemill.Records, out *tidemill.Emitter) error {
	for record := range records.All() {
		value := record.Value()
		to := out.ReserveValue(len(value))
		for index, letter := range value {
			if letter >= 'a' && letter <= 'z' {
				letter -= 32
			}
			to[index] = letter
		}
		out.Emit()
	}
	return nil
})
