package tidemilltest_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/plugin-sdk/go/tidemill"
	"github.com/tidemill/tidemill/plugin-sdk/go/tidemilltest"
)

type process = func(*tidemill.None, *tidemill.Records, *tidemill.Emitter) error

func transform(about tidemill.About, process process) tidemill.TransformPlugin {
	about.Summary = "A test"
	return tidemill.Transform(about, process)
}

// each runs a function for every record.
func each(run func(tidemill.Record, *tidemill.Emitter)) process {
	return func(_ *tidemill.None, records *tidemill.Records, out *tidemill.Emitter) error {
		for record := range records.All() {
			run(record, out)
		}
		return nil
	}
}

func TestWhatIsNotSetStays(t *testing.T) {
	plugin := transform(tidemill.About{Reads: tidemill.Values}, each(func(r tidemill.Record, out *tidemill.Emitter) {
		out.ValueString(strings.ToUpper(string(r.Value()))).Emit()
	}))
	given := tidemilltest.Record{
		Key: []byte("k"), Value: []byte("v"), Timestamp: 7,
		Headers: []tidemill.Header{{Name: "h", Value: []byte("1")}, {Name: "none"}},
	}
	ran := tidemilltest.Run(t, plugin, nil, given)
	got := ran.Emitted[0]
	if string(got.Key) != "k" || string(got.Value) != "V" || got.Timestamp != 7 || len(got.Headers) != 2 {
		t.Error(got)
	}
	if got.Headers[1].Value != nil || string(got.Headers[0].Value) != "1" {
		t.Error(got.Headers)
	}
}

func TestRecordsThatSetAPartAmongThoseThatKeepIt(t *testing.T) {
	reads := tidemill.Values | tidemill.Keys | tidemill.Timestamps | tidemill.Headers
	plugin := transform(tidemill.About{Reads: reads}, each(func(r tidemill.Record, out *tidemill.Emitter) {
		switch string(r.Value()) {
		case "key":
			out.Key(r.Value()).Timestamp(5).Emit()
		case "none":
			out.NoKey().NoValue().Headers(tidemill.Header{Name: "a"}).Emit()
		case "twice":
			out.Emit()
			out.KeyString("second").Emit()
		default:
			out.Emit()
		}
	}))
	record := func(value string, at int64) tidemilltest.Record {
		return tidemilltest.Record{Key: []byte("k" + value), Value: []byte(value), Timestamp: at}
	}
	ran := tidemilltest.Run(t, plugin, nil,
		record("as is", 1), record("key", 2), record("none", 3), record("twice", 4), record("end", 6))
	if got := ran.Keys(); !slices.Equal(got, []string{"kas is", "key", "", "ktwice", "second", "kend"}) {
		t.Error(got)
	}
	if got := ran.Values(); !slices.Equal(got, []string{"as is", "key", "", "twice", "twice", "end"}) {
		t.Error(got)
	}
	var times []int64
	for _, record := range ran.Emitted {
		times = append(times, record.Timestamp)
	}
	if !slices.Equal(times, []int64{1, 5, 3, 4, 4, 6}) {
		t.Error(times)
	}
	if ran.Emitted[2].Key != nil || ran.Emitted[2].Value != nil || ran.Emitted[1].Headers != nil {
		t.Error(ran.Emitted)
	}
}

func TestARejectedRecordTakesBackWhatItHasEmitted(t *testing.T) {
	plugin := transform(tidemill.About{Reads: tidemill.Values, Ports: []string{"first", "second"}},
		each(func(r tidemill.Record, out *tidemill.Emitter) {
			for _, word := range strings.Fields(string(r.Value())) {
				if word == "bad" {
					out.Reject("a bad word")
				}
				out.KeyString(word).NoValue().Port(len(word) % 2).Emit()
			}
		}))
	ran := tidemilltest.Run(t, plugin, nil, tidemilltest.Value("a bc"), tidemilltest.Value("d bad e"),
		tidemilltest.Value(""), tidemilltest.Value("fg"))
	if got := ran.Keys(); !slices.Equal(got, []string{"a", "bc", "fg"}) {
		t.Error(got)
	}
	if !slices.Equal(ran.Rejected, []tidemilltest.Rejection{{Index: 1, Reason: "a bad word"}}) {
		t.Error(ran.Rejected)
	}
	if ran.Emitted[0].Port != "second" || ran.Emitted[1].Port != "first" || ran.Emitted[0].Value != nil {
		t.Error(ran.Emitted)
	}
}

func TestARejectedRecordBeginsNoColumn(t *testing.T) {
	// It leaves no trace: a plugin that does not read keys may set one in a record that it then rejects.
	plugin := transform(tidemill.About{Reads: tidemill.Values}, each(func(r tidemill.Record, out *tidemill.Emitter) {
		if r.Index() == 0 {
			out.KeyString("k").Timestamp(1).Emit()
			out.Reject("no")
		}
		out.Emit()
	}))
	ran := tidemilltest.Run(t, plugin, nil, tidemilltest.Keyed("a", "1"), tidemilltest.Keyed("b", "2"))
	if !slices.Equal(ran.Keys(), []string{"b"}) || len(ran.Rejected) != 1 {
		t.Error(ran)
	}
}

func TestADraftThatIsNotEmittedIsDropped(t *testing.T) {
	plugin := transform(tidemill.About{Reads: tidemill.Values}, each(func(r tidemill.Record, out *tidemill.Emitter) {
		out.ValueString("never").KeyString("never")
		if len(r.Value()) > 1 {
			out.Value(r.Value()).Value(r.Value()[1:]).KeyString("k").Emit()
		}
	}))
	ran := tidemilltest.Run(t, plugin, nil, tidemilltest.Value("a"), tidemilltest.Value("bc"), tidemilltest.Value("d"))
	if !slices.Equal(ran.Values(), []string{"c"}) || !slices.Equal(ran.Keys(), []string{"k"}) {
		t.Error(ran)
	}
}

func TestWritingInPlace(t *testing.T) {
	plugin := transform(tidemill.About{Reads: tidemill.Values}, each(func(r tidemill.Record, out *tidemill.Emitter) {
		out.AppendValue(func(to []byte) []byte { return strconv.AppendInt(to, int64(len(r.Value())), 10) }).
			AppendKey(func(to []byte) []byte { return append(to, 'k') })
		copy(out.ReserveKey(1), "k")
		out.Emit()
	}))
	ran := tidemilltest.Run(t, plugin, nil, tidemilltest.Value("abc"), tidemilltest.Value(""))
	if !slices.Equal(ran.Values(), []string{"3", "0"}) || !slices.Equal(ran.Keys(), []string{"k", "k"}) {
		t.Error(ran)
	}
}

func TestCallsThatFail(t *testing.T) {
	unread := transform(tidemill.About{Reads: tidemill.Values}, each(func(r tidemill.Record, out *tidemill.Emitter) {
		if r.Index() == 1 {
			out.KeyString("k")
		}
		out.Emit()
	}))
	panics := transform(tidemill.About{}, each(func(r tidemill.Record, _ *tidemill.Emitter) {
		_ = []byte{}[r.Index()]
	}))
	noPort := transform(tidemill.About{}, each(func(_ tidemill.Record, out *tidemill.Emitter) { out.Port(1).Emit() }))
	fails := transform(tidemill.About{}, func(*tidemill.None, *tidemill.Records, *tidemill.Emitter) error {
		return tidemill.Retryable(errors.New("try again"))
	})
	twice := transform(tidemill.About{}, func(_ *tidemill.None, records *tidemill.Records, out *tidemill.Emitter) error {
		for range 2 {
			for range records.All() {
				out.Emit()
			}
		}
		return nil
	})
	for told, plugin := range map[string]tidemill.TransformPlugin{
		"does not read them": unread, "transform_test.go:": panics, "no port 1": noPort, "try again": fails,
		"gone over once": twice,
	} {
		_, err := tidemilltest.TryRun(plugin, nil, tidemilltest.Value("a"), tidemilltest.Value("b"))
		if err == nil || !strings.Contains(err.Error(), told) {
			t.Errorf("%q is not in %v", told, err)
		}
		if (told == "try again") != tidemill.IsRetryable(err) {
			t.Error(err)
		}
	}
}

func TestAFilterKeeps(t *testing.T) {
	plugin := tidemill.Filter(tidemill.About{Summary: "A test", Reads: tidemill.Keys},
		func(_ *tidemill.None, record tidemill.Record) bool { return record.HasKey() })
	var records []tidemilltest.Record
	for index := range 20 {
		record := tidemilltest.Value(strconv.Itoa(index))
		if index%3 == 0 {
			record.Key = []byte{}
		}
		records = append(records, record)
	}
	kept := tidemilltest.Kept(t, plugin, nil, records...)
	if len(kept) != 7 || string(kept[6].Value) != "18" {
		t.Error(kept)
	}
}

func TestLoggingAndMetricsAreRemembered(t *testing.T) {
	plugin := transform(tidemill.About{}, each(func(tidemill.Record, *tidemill.Emitter) {
		tidemill.Logf(tidemill.Warn, "hello %d", 1)
		tidemill.Count("seen", 2, tidemill.Label{Name: "kind", Value: "a"})
	}))
	tidemilltest.Run(t, plugin, nil, tidemilltest.Value("a"))
	if got := tidemilltest.Messages(); !slices.Equal(got, []string{"hello 1"}) {
		t.Error(got)
	}
	if got := tidemilltest.Counter("seen kind=a"); got != 2 {
		t.Error(got)
	}
}

func TestNothingIsAllocatedForARecord(t *testing.T) {
	plugin := transform(tidemill.About{Reads: tidemill.Values}, each(func(r tidemill.Record, out *tidemill.Emitter) {
		out.Key(r.Value()).NoValue().Emit()
	}))
	allocations := func(records int) float64 {
		batch := make([]tidemilltest.Record, records)
		for index := range batch {
			batch[index] = tidemilltest.Value("a line of text")
		}
		call := tidemilltest.Call(plugin, batch)
		call()
		return testing.AllocsPerRun(10, call)
	}
	if few, many := allocations(10), allocations(10_000); few != many || many > 4 {
		t.Errorf("%v allocations for 10 records, %v for 10,000", few, many)
	}
}
