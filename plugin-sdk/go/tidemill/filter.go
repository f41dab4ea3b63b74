package tidemill

import "github.com/tidemill/tidemill/plugin-sdk/go/internal/columns"

// FilterPlugin is a filter, made by [Filter].
type FilterPlugin interface {
	Plugin
	// Keep says of each record whether it is kept, in a bitmap that is good until the next call: bit i, least
	// significant first, is set where record i is kept.
	Keep(batch columns.Batch) ([]byte, error)
}

// Filter makes a filter of a function that says whether a record is kept. None is copied. A panic fails the call.
func Filter[S any](about About, keep func(settings *S, record Record) bool) FilterPlugin {
	return &filter[S]{plugin: newPlugin[S](about), keep: keep}
}

type filter[S any] struct {
	plugin[S]
	keep func(*S, Record) bool
	bits []byte
}

func (f *filter[S]) Keep(batch columns.Batch) ([]byte, error) {
	records := batch.Len()
	bytes := (records + 7) / 8
	if cap(f.bits) < bytes {
		f.bits = make([]byte, bytes)
	}
	f.bits = f.bits[:bytes]
	clear(f.bits)
	return f.bits, guarded(func() error {
		for index := range records {
			if f.keep(f.settings, Record{&batch, index}) {
				f.bits[index>>3] |= 1 << (index & 7)
			}
		}
		return nil
	})
}
