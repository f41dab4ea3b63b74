//go:build wasip1

package host

import (
	"runtime"
	"unsafe"
)

// The linker leaves out what is never called, so that a plugin imports what it uses alone.

//go:wasmimport tidemill:plugin/logging@0.1.0 log
func hostLog(level uint32, message string)

//go:wasmimport tidemill:plugin/metrics@0.1.0 count
func hostCount(name string, labels uint32, length uint32, by uint64)

//go:wasmimport tidemill:plugin/metrics@0.1.0 gauge
func hostGauge(name string, labels uint32, length uint32, value float64)

// Log writes a message.
func Log(level uint32, message string) {
	hostLog(level, message)
}

// Count adds to a counter.
func Count(name string, labels []Label, by uint64) {
	words := wordsOf(labels)
	hostCount(name, address(words), uint32(len(labels)), by)
	runtime.KeepAlive(words)
	runtime.KeepAlive(labels)
}

// Gauge sets a gauge.
func Gauge(name string, labels []Label, value float64) {
	words := wordsOf(labels)
	hostGauge(name, address(words), uint32(len(labels)), value)
	runtime.KeepAlive(words)
	runtime.KeepAlive(labels)
}

// wordsOf lays labels out as the contract's `list<label>`: pointer and length of name and value.
func wordsOf(labels []Label) []uint32 {
	words := make([]uint32, 0, 4*len(labels))
	for _, label := range labels {
		for _, text := range []string{label.Name, label.Value} {
			words = append(words, uint32(uintptr(unsafe.Pointer(unsafe.StringData(text)))), uint32(len(text)))
		}
	}
	return words
}

func address(words []uint32) uint32 {
	if len(words) == 0 {
		return 4
	}
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(words))))
}
