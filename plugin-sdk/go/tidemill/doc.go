// Package tidemill writes Tidemill plugins in Go: a function over records.
//
//	var Plugin = tidemill.Transform(tidemill.About{
//		Summary: "Emits each word of a line as a record of its own",
//		Reads:   tidemill.Values,
//	}, func(_ *tidemill.None, records *tidemill.Records, out *tidemill.Emitter) error {
//		for record := range records.All() {
//			for word := range bytes.FieldsSeq(record.Value()) {
//				out.Value(word).Emit()
//			}
//		}
//		return nil
//	})
//
// The plugin is the variable Plugin of the project's package; `tidemill plugin build` makes a component of it.
// [Transform] emits any number of records for each, [Filter] keeps or drops each, [Reducer] makes one record
// for each key, or key and window.
//
// Records lie in columns: what a record hands out are views of the call's own buffers, and what is emitted is
// written into those of the result. **Nothing of a record may be used after the call**, and the same batch must
// give the same bytes: do not emit in the order of a map, for Go's is another each time.
package tidemill
