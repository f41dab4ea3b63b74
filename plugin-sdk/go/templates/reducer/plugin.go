// Package plugin counts the records of each key, and the bytes of their values.
package plugin

import (
	"fmt"

	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

// Seen is what is kept for each key. If its form changes, raise StateVersion.
type Seen struct {
	Records, Bytes uint64
}

// Plugin is what the component exports.
var Plugin = tidemill.Reducer(tidemill.About{
	Summary:      "Counts the records of each key, and the bytes of their values",
	Reads:        tidemill.Values,
	StateVersion: 1,
}, tidemill.Reduction[tidemill.None, Seen]{Fold: fold, Merge: merge, Finish: finish})

func fold(_ *tidemill.None, seen *Seen, item tidemill.Item) error {
	seen.Records++
	seen.Bytes += uint64(len(item.Value()))
	return nil
}

// The host folds parts of a batch on many cores and merges them in the records' order.
func merge(_ *tidemill.None, seen, later *Seen) error {
	seen.Records += later.Records
	seen.Bytes += later.Bytes
	return nil
}

func finish(_ *tidemill.None, _ tidemill.Group, seen *Seen, out *tidemill.Summary) error {
	out.AppendValue(func(to []byte) []byte {
		return fmt.Appendf(to, "%d records, %d bytes", seen.Records, seen.Bytes)
	})
	return nil
}
