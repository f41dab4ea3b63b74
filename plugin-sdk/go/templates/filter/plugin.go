// Package plugin keeps the lines with a text in them.
package plugin

import (
	"bytes"

	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

// Settings are what a pipeline can set.
type Settings struct {
	Text string `default:"error" doc:"What a line must have in it."`

	wanted []byte
}

// Prepare runs once, before any record.
func (s *Settings) Prepare() error {
	s.wanted = []byte(s.Text)
	return nil
}

// Plugin is what the component exports.
var Plugin = tidemill.Filter(tidemill.About{
	Summary: "Keeps the records whose value has a text in it",
	Reads:   tidemill.Values,
}, func(settings *Settings, record tidemill.Record) bool {
	return bytes.Contains(record.Value(), settings.wanted)
})
