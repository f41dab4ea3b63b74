package tidemill

import (
	"errors"

	"github.com/tidemill/tidemill/plugin-sdk/go/internal/columns"
)

// Reduction is what a reducer does with the accumulators A of each key, or key and window.
//
// **The host folds parts of a batch on many cores and merges them in the order of the records**: Merge has to be
// associative, and folding records has to equal merging the folds of any cut of them. tidemilltest.CheckReducer
// tries that.
//
// A is a number, or a struct or an array of them; or it has the methods AppendBinary and UnmarshalBinary. If its
// form changes, raise About.StateVersion.
type Reduction[S, A any] struct {
	// Zero makes what a key without records has; Go's zero value where it is nil.
	Zero func(settings *S) A
	// Fold adds a record.
	Fold func(settings *S, accumulator *A, item Item) error
	// Merge adds what was folded from the records that come after those of `accumulator`.
	Merge func(settings *S, accumulator *A, later *A) error
	// Finish makes the record of a group.
	Finish func(settings *S, group Group, accumulator *A, out *Summary) error
	// Migrate reads an accumulator that was written under an older About.StateVersion; may be nil. With it,
	// tidemill-plugin.toml has to say `migrates = true`. An error leaves the older version running.
	Migrate func(fromVersion uint32, state []byte) (A, error)
}

// Item is what a reducer sees of a record.
type Item struct {
	items *columns.Batch
	index int
}

// Value is the value, empty where there is none.
func (i Item) Value() []byte { return i.items.Values.Item(i.index) }

// HasValue tells an empty value from none.
func (i Item) HasValue() bool { return i.items.Values.Has(i.index) }

// Text is the value as text, without a copy.
func (i Item) Text() (string, error) { return Record{i.items, i.index}.Text() }

// Timestamp is the event time, milliseconds since 1970-01-01 UTC.
func (i Item) Timestamp() int64 { return Record{i.items, i.index}.Timestamp() }

// Group is what a finished accumulator belongs to.
type Group struct {
	keys    *columns.Column
	windows []columns.Window
	index   int
}

// Key is the key, empty where there is none.
func (g Group) Key() []byte { return g.keys.Item(g.index) }

// HasKey tells an empty key from none.
func (g Group) HasKey() bool { return g.keys.Has(g.index) }

// Window is half open, in milliseconds since 1970-01-01 UTC. False for running totals.
func (g Group) Window() (start, end int64, found bool) {
	if g.index >= len(g.windows) {
		return 0, 0, false
	}
	window := g.windows[g.index]
	return window.Start, window.End, true
}

// Summary is a group's record; without a Value it has none. Its key is the group's.
type Summary struct {
	values *columns.Builder
	isSet  bool
}

// Value sets the value.
func (s *Summary) Value(value []byte) {
	s.set()
	s.values.Append(value)
}

// ValueString sets the value.
func (s *Summary) ValueString(value string) {
	s.set()
	s.values.AppendString(value)
}

// AppendValue has write append the value to the result's own buffer, as fmt.Appendf does. What write is given is
// not to be looked at.
func (s *Summary) AppendValue(write func(to []byte) []byte) {
	s.set()
	s.values.Extend(write)
}

func (s *Summary) set() {
	if s.isSet {
		s.values.Drop()
	}
	s.isSet = true
}

// ReducerPlugin is a reducer, made by [Reducer].
type ReducerPlugin interface {
	Plugin
	// Fold adds records to the accumulators of their groups, as the contract says; so for the others.
	Fold(groups []uint32, items columns.Batch, accumulators columns.Column) (columns.Column, error)
	Merge(left, right columns.Column) (columns.Column, error)
	Finish(keys columns.Column, windows []columns.Window, accumulators columns.Column) (columns.Batch, error)
	Migrate(fromVersion uint32, states columns.Column) (columns.Column, error)
}

// Reducer makes a reducer. An error of one of the functions fails the call, and so does a panic.
func Reducer[S, A any](about About, reduction Reduction[S, A]) ReducerPlugin {
	if reduction.Fold == nil || reduction.Merge == nil || reduction.Finish == nil {
		panic("a Reduction needs Fold, Merge and Finish")
	}
	return &reducer[S, A]{plugin: newPlugin[S](about), Reduction: reduction, codec: codecOf[A]()}
}

type reducer[S, A any] struct {
	plugin[S]
	Reduction[S, A]
	codec        codec[A]
	accumulators []A
	out          columns.Builder
}

func (r *reducer[S, A]) Fold(groups []uint32, items columns.Batch, given columns.Column) (columns.Column, error) {
	err := guarded(func() error {
		if err := r.decode(&given); err != nil {
			return err
		}
		for index, group := range groups {
			if uint64(group) >= uint64(len(r.accumulators)) {
				return errors.New("a record belongs to a group that is not there")
			}
			if err := r.Reduction.Fold(r.settings, &r.accumulators[group], Item{&items, index}); err != nil {
				return err
			}
		}
		return r.encode(len(given.Data))
	})
	return r.out.Column(), err
}

func (r *reducer[S, A]) Merge(left, right columns.Column) (columns.Column, error) {
	err := guarded(func() error {
		if left.Len() != right.Len() {
			return errors.New("accumulators are merged in pairs")
		}
		if err := r.decode(&left); err != nil {
			return err
		}
		for index := range r.accumulators {
			var later A
			if err := r.codec.decode(right.Item(index), &later); err != nil {
				return err
			}
			if err := r.Reduction.Merge(r.settings, &r.accumulators[index], &later); err != nil {
				return err
			}
		}
		return r.encode(len(left.Data))
	})
	return r.out.Column(), err
}

func (r *reducer[S, A]) Finish(keys columns.Column, windows []columns.Window, given columns.Column) (columns.Batch, error) {
	err := guarded(func() error {
		if err := r.decode(&given); err != nil {
			return err
		}
		r.out.Reset()
		r.out.Begin(len(given.Data), len(r.accumulators))
		for index := range r.accumulators {
			summary := Summary{values: &r.out}
			group := Group{&keys, windows, index}
			if err := r.Reduction.Finish(r.settings, group, &r.accumulators[index], &summary); err != nil {
				return err
			}
			if summary.isSet {
				r.out.End()
			} else {
				r.out.Absent()
			}
		}
		return nil
	})
	return columns.Batch{Values: r.out.Column()}, err
}

func (r *reducer[S, A]) Migrate(fromVersion uint32, states columns.Column) (columns.Column, error) {
	err := guarded(func() error {
		if r.Reduction.Migrate == nil {
			return errors.New("the Reduction has no Migrate, though tidemill-plugin.toml says `migrates = true`")
		}
		r.accumulators = make([]A, states.Len())
		for index := range r.accumulators {
			var err error
			if r.accumulators[index], err = r.Reduction.Migrate(fromVersion, states.Item(index)); err != nil {
				return err
			}
		}
		return r.encode(len(states.Data))
	})
	return r.out.Column(), err
}

// decode reads all accumulators; those of new groups are absent.
func (r *reducer[S, A]) decode(column *columns.Column) error {
	length := column.Len()
	if cap(r.accumulators) < length {
		r.accumulators = make([]A, length)
	}
	r.accumulators = r.accumulators[:length]
	for index := range r.accumulators {
		accumulator := &r.accumulators[index]
		// Nothing of the call before may be seen.
		*accumulator = *new(A)
		if column.Has(index) {
			if err := r.codec.decode(column.Item(index), accumulator); err != nil {
				return err
			}
		} else if r.Zero != nil {
			*accumulator = r.Zero(r.settings)
		}
	}
	return nil
}

func (r *reducer[S, A]) encode(bytes int) error {
	r.out.Reset()
	r.out.Begin(bytes, len(r.accumulators))
	for index := range r.accumulators {
		var err error
		r.out.Extend(func(to []byte) []byte {
			to, err = r.codec.encode(to, &r.accumulators[index])
			return to
		})
		if err != nil {
			return err
		}
		r.out.End()
	}
	return nil
}
