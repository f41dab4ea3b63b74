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
		out.AppendValue(func(to []byte) []byte { return appendUpper(to, value) }).Emit()
	}
	return nil
})

func appendUpper(to, value []byte) []byte {
	start := len(to)
	to = append(to, value...)
	for index, letter := range to[start:] {
		if letter >= 'a' && letter <= 'z' {
			to[start+index] = letter - 32
		}
	}
	return to
}
