// Package plugin emits the long words of each line.
package plugin

import (
	"strings"
	"unicode/utf8"

	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

// Settings are what a pipeline can set.
type Settings struct {
	LengthMin int `default:"5" doc:"Leave out words with fewer letters."`
}

// Plugin is what the component exports.
var Plugin = tidemill.Transform(tidemill.About{
	Summary: "Emits the long words of each line, one record for each, with the word as the key",
	Reads:   tidemill.Values,
}, longWords)

func longWords(settings *Settings, records *tidemill.Records, out *tidemill.Emitter) error {
	for record := range records.All() {
		line, err := record.Text()
		if err != nil {
			// A line that is not UTF-8 is refused, the others go on.
			out.Reject(err.Error())
			continue
		}
		for word := range strings.FieldsSeq(line) {
			if utf8.RuneCountInString(word) >= settings.LengthMin {
				out.KeyString(word).ValueString("").Emit()
			}
		}
	}
	return nil
}
