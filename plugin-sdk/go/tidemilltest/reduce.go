package tidemilltest

import (
	"slices"
	"testing"

	"github.com/tidemill/tidemill/plugin-sdk/go/internal/columns"
	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
)

// Reduce gives the value of each key: running totals over all records.
func Reduce(t testing.TB, plugin tidemill.ReducerPlugin, params Params, records ...Record) map[string]string {
	t.Helper()
	groups := groupsOf(t, plugin, params, records)
	accumulators := groups.fold(0, len(records), groups.none())
	var keys columns.Builder
	keys.Begin(0, len(groups.keys))
	for _, key := range groups.keys {
		keys.AppendString(key)
		keys.End()
	}
	finished, err := plugin.Finish(keys.Column(), nil, accumulators)
	if err != nil {
		t.Fatalf("finish failed: %v", err)
	}
	totals := map[string]string{}
	for index, key := range groups.keys {
		totals[key] = string(finished.Values.Item(index))
	}
	return totals
}

// CheckReducer cuts the records at every place, folds the parts, merges them, and compares that with one fold;
// then it tries both orders of association.
func CheckReducer(t testing.TB, plugin tidemill.ReducerPlugin, params Params, records ...Record) {
	t.Helper()
	groups := groupsOf(t, plugin, params, records)
	length := len(records)
	folded := func(from, to int) columns.Column { return groups.fold(from, to, groups.none()) }
	whole := folded(0, length)
	for cut := range length + 1 {
		if !equal(groups.merge(folded(0, cut), folded(cut, length)), whole) {
			t.Fatalf("merging the folds of records 0..%d and %d..%d is not their fold", cut, cut, length)
		}
		if !equal(groups.fold(cut, length, folded(0, cut)), whole) {
			t.Fatalf("folding 0..%d and going on with %d..%d is not their fold", cut, cut, length)
		}
		a, c := cut/2, (cut+length)/2
		left := groups.merge(groups.merge(folded(0, a), folded(a, cut)), folded(cut, c))
		right := groups.merge(folded(0, a), groups.merge(folded(a, cut), folded(cut, c)))
		if !equal(left, right) {
			t.Fatalf("merging 0..%d, %d..%d and %d..%d is not associative", a, a, cut, cut, c)
		}
	}
}

// Migrate gives the accumulators, as they are kept, that a reducer makes of those that an older version wrote.
func Migrate(t testing.TB, plugin tidemill.ReducerPlugin, fromVersion uint32, states ...[]byte) [][]byte {
	t.Helper()
	var builder columns.Builder
	builder.Begin(0, len(states))
	for _, state := range states {
		builder.Append(state)
		builder.End()
	}
	column, err := plugin.Migrate(fromVersion, builder.Column())
	if err != nil {
		t.Fatalf("migrate failed: %v", err)
	}
	migrated := make([][]byte, column.Len())
	for index := range migrated {
		migrated[index] = slices.Clone(column.Item(index))
	}
	return migrated
}

// groups are records by their keys, in the order of first occurrence.
type groups struct {
	t       testing.TB
	plugin  tidemill.ReducerPlugin
	records []Record
	keys    []string
	of      []uint32
}

func groupsOf(t testing.TB, plugin tidemill.ReducerPlugin, params Params, records []Record) *groups {
	t.Helper()
	if err := plugin.Configure(params); err != nil {
		t.Fatal(err)
	}
	groups := &groups{t: t, plugin: plugin, records: records}
	for _, record := range records {
		group := slices.Index(groups.keys, string(record.Key))
		if group < 0 {
			group = len(groups.keys)
			groups.keys = append(groups.keys, string(record.Key))
		}
		groups.of = append(groups.of, uint32(group))
	}
	return groups
}

func (g *groups) none() columns.Column {
	var builder columns.Builder
	builder.Begin(0, len(g.keys))
	for range g.keys {
		builder.Absent()
	}
	return builder.Column()
}

func (g *groups) fold(from, to int, accumulators columns.Column) columns.Column {
	g.t.Helper()
	items := readBy(g.plugin, batchOf(g.records[from:to]))
	if g.plugin.About().Reads&tidemill.Timestamps == 0 {
		items.Timestamps = nil
	}
	folded, err := g.plugin.Fold(g.of[from:to], items, accumulators)
	if err != nil {
		g.t.Fatalf("fold failed: %v", err)
	}
	return copied(folded)
}

func (g *groups) merge(left, right columns.Column) columns.Column {
	g.t.Helper()
	merged, err := g.plugin.Merge(left, right)
	if err != nil {
		g.t.Fatalf("merge failed: %v", err)
	}
	return copied(merged)
}

// copied outlives the plugin's next call.
func copied(column columns.Column) columns.Column {
	return columns.Column{
		Data:     slices.Clone(column.Data),
		Offsets:  slices.Clone(column.Offsets),
		Validity: slices.Clone(column.Validity),
	}
}

func equal(a, b columns.Column) bool {
	return slices.Equal(a.Data, b.Data) && slices.Equal(a.Offsets, b.Offsets)
}
