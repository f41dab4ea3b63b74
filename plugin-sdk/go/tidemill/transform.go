package tidemill

import "github.com/tidemill/tidemill/plugin-sdk/go/internal/columns"

// TransformPlugin is a transform, made by [Transform].
type TransformPlugin interface {
	Plugin
	// Process runs it over the records of a call; the outcome is good until the next call.
	Process(batch columns.Batch) (columns.Outcome, error)
}

// Transform makes a transform of a function: any number of records from each.
//
// S has the parameters; see [Parameter]. An error that the function returns fails the whole call; to refuse one
// record, use [Emitter.Reject]. A panic fails the call with its message and place.
func Transform[S any](about About, process func(settings *S, records *Records, out *Emitter) error) TransformPlugin {
	return &transform[S]{plugin: newPlugin[S](about), process: process}
}

type transform[S any] struct {
	plugin[S]
	process func(*S, *Records, *Emitter) error
	emitter Emitter
	records Records
}

func (t *transform[S]) Process(batch columns.Batch) (columns.Outcome, error) {
	t.records = Records{batch: batch, length: batch.Len(), emitter: &t.emitter}
	t.emitter.about = t.about
	t.emitter.reset(&t.records.batch, t.records.length)
	err := guarded(func() error { return t.process(t.settings, &t.records, &t.emitter) })
	if err == nil {
		err = t.emitter.err
	}
	return t.emitter.outcome(), err
}
