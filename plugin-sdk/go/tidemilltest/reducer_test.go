package tidemilltest_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
	"github.com/tidemill/tidemill/plugin-sdk/go/tidemilltest"
)

type seen struct {
	Longest uint16
	Records uint64
	Sum     [2]float32
}

func counting(merge func(s, later *seen)) tidemill.ReducerPlugin {
	return tidemill.Reducer(tidemill.About{Summary: "A test", Reads: tidemill.Values},
		tidemill.Reduction[tidemill.None, seen]{
			Zero: func(*tidemill.None) seen { return seen{Longest: 1} },
			Fold: func(_ *tidemill.None, s *seen, item tidemill.Item) error {
				s.Records++
				s.Longest = max(s.Longest, uint16(len(item.Value())))
				s.Sum[1]++
				return nil
			},
			Merge: func(_ *tidemill.None, s, later *seen) error {
				merge(s, later)
				return nil
			},
			Finish: func(_ *tidemill.None, group tidemill.Group, s *seen, out *tidemill.Summary) error {
				out.ValueString("replaced")
				out.AppendValue(func(to []byte) []byte {
					return fmt.Appendf(to, "%s %d %d %v", group.Key(), s.Records, s.Longest, s.Sum[1])
				})
				return nil
			},
		})
}

func merged(s, later *seen) {
	s.Records += later.Records
	s.Longest = max(s.Longest, later.Longest)
	s.Sum[1] += later.Sum[1]
}

var lines = []tidemilltest.Record{
	tidemilltest.Keyed("a", "x"), tidemilltest.Keyed("b", ""), tidemilltest.Keyed("a", "yyy"),
	tidemilltest.Keyed("c", "zz"), tidemilltest.Keyed("a", ""),
}

func TestAReducerFoldsMergesAndFinishes(t *testing.T) {
	plugin := counting(merged)
	totals := tidemilltest.Reduce(t, plugin, nil, lines...)
	if totals["a"] != "a 3 3 3" || totals["b"] != "b 1 1 1" {
		t.Error(totals)
	}
	tidemilltest.CheckReducer(t, plugin, nil, lines...)
}

// failing catches what a check says.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Helper() {}
func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	panic(f)
}

func TestAMergeThatForgetsIsFound(t *testing.T) {
	catch := &failing{}
	func() {
		defer func() { _ = recover() }()
		tidemilltest.CheckReducer(catch, counting(func(s, later *seen) { s.Records += later.Records }), nil, lines...)
	}()
	if !strings.Contains(catch.said, "is not their fold") {
		t.Error(catch.said)
	}
}

type words struct{ all []string }

func (w words) AppendBinary(to []byte) ([]byte, error) {
	return append(to, strings.Join(w.all, " ")...), nil
}

func (w *words) UnmarshalBinary(from []byte) error {
	w.all = strings.Fields(string(from))
	return nil
}

func TestAnEncodingOfTheAuthorsOwn(t *testing.T) {
	plugin := tidemill.Reducer(tidemill.About{Summary: "A test", Reads: tidemill.Values | tidemill.Timestamps},
		tidemill.Reduction[tidemill.None, words]{
			Fold: func(_ *tidemill.None, w *words, item tidemill.Item) error {
				w.all = append(w.all, strings.Fields(string(item.Value()))...)
				return nil
			},
			Merge: func(_ *tidemill.None, w, later *words) error {
				w.all = append(w.all, later.all...)
				return nil
			},
			Finish: func(_ *tidemill.None, _ tidemill.Group, w *words, out *tidemill.Summary) error {
				out.ValueString(strings.Join(w.all, ","))
				return nil
			},
		})
	tidemilltest.CheckReducer(t, plugin, nil, lines...)
	if totals := tidemilltest.Reduce(t, plugin, nil, lines...); totals["a"] != "x,yyy" {
		t.Error(totals)
	}
}

func TestAccumulatorsOfOlderVersionsAreRewritten(t *testing.T) {
	reduction := tidemill.Reduction[tidemill.None, uint16]{
		Fold:   func(*tidemill.None, *uint16, tidemill.Item) error { return nil },
		Merge:  func(*tidemill.None, *uint16, *uint16) error { return nil },
		Finish: func(*tidemill.None, tidemill.Group, *uint16, *tidemill.Summary) error { return nil },
	}
	about := tidemill.About{Summary: "A test", StateVersion: 2}
	catch := &failing{}
	caught := func(from uint32) string {
		defer func() { _ = recover() }()
		tidemilltest.Migrate(catch, tidemill.Reducer(about, reduction), from, []byte("7"))
		return ""
	}
	caught(1)
	if !strings.Contains(catch.said, "has no Migrate") {
		t.Error(catch.said)
	}
	reduction.Migrate = func(fromVersion uint32, state []byte) (uint16, error) {
		if fromVersion != 1 {
			return 0, fmt.Errorf("no version %d", fromVersion)
		}
		number, err := strconv.ParseUint(string(state), 10, 16)
		return uint16(number), err
	}
	migrated := tidemilltest.Migrate(t, tidemill.Reducer(about, reduction), 1, []byte("7"), []byte("258"))
	if !slices.EqualFunc(migrated, [][]byte{{7, 0}, {2, 1}}, slices.Equal) {
		t.Error(migrated)
	}
	caught(3)
	if !strings.Contains(catch.said, "no version 3") {
		t.Error(catch.said)
	}
}

func TestAnAccumulatorWithoutAFixedSizeIsRefused(t *testing.T) {
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "AppendBinary") {
			t.Error(said)
		}
	}()
	tidemill.Reducer(tidemill.About{Summary: "A test"}, tidemill.Reduction[tidemill.None, struct{ name string }]{
		Fold:   func(*tidemill.None, *struct{ name string }, tidemill.Item) error { return nil },
		Merge:  func(*tidemill.None, *struct{ name string }, *struct{ name string }) error { return nil },
		Finish: func(*tidemill.None, tidemill.Group, *struct{ name string }, *tidemill.Summary) error { return nil },
	})
}
