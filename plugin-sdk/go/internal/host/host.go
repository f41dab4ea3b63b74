// Package host is what a pipeline can grant: a log, and metrics.
package host

// Label of a metric.
type Label struct {
	Name, Value string
}

// Message that was logged.
type Message struct {
	Level uint32
	Text  string
}

// What a native test remembers; nothing in a component.
var (
	Messages []Message
	Counters = map[string]uint64{}
	Gauges   = map[string]float64{}
)
