package tidemill

import (
	"fmt"

	"github.com/tidemill/tidemill/plugin-sdk/go/internal/host"
)

// Level of a message.
type Level uint32

// The levels, from the least to the most important.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
)

// Log writes a message that the host shows with the pipeline's and operator's names. A plugin that uses it
// imports `logging`, which the pipeline has to grant.
func Log(level Level, message string) {
	host.Log(uint32(level), message)
}

// Logf writes a message as fmt.Sprintf makes it.
func Logf(level Level, format string, args ...any) {
	Log(level, fmt.Sprintf(format, args...))
}

// Label of a metric; its values should be few.
type Label = host.Label

// Count adds to a counter of the plugin's own. A plugin that uses it imports `metrics`, which the pipeline has
// to grant; so for [Gauge].
func Count(name string, by uint64, labels ...Label) {
	host.Count(name, labels, by)
}

// Gauge sets a gauge of the plugin's own.
func Gauge(name string, value float64, labels ...Label) {
	host.Gauge(name, labels, value)
}
