//go:build !wasip1

package host

// Log writes a message.
func Log(level uint32, message string) {
	Messages = append(Messages, Message{level, message})
}

// Count adds to a counter.
func Count(name string, labels []Label, by uint64) {
	Counters[full(name, labels)] += by
}

// Gauge sets a gauge.
func Gauge(name string, labels []Label, value float64) {
	Gauges[full(name, labels)] = value
}

func full(name string, labels []Label) string {
	for _, label := range labels {
		name += " " + label.Name + "=" + label.Value
	}
	return name
}
