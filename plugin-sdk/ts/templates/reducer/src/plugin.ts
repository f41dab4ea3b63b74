import { reducer } from "@tidemill/sdk";

interface Seen {
  records: number;
  bytes: number;
}

export default reducer({
  summary: "Counts the records of each key, and the bytes of their values",
  reads: ["value"],
  // Accumulators are kept as JSON. If their form changes, raise the version.
  stateVersion: 1,
  zero: (): Seen => ({ records: 0, bytes: 0 }),
  fold(seen, record) {
    seen.records += 1;
    seen.bytes += record.value.length;
    return seen;
  },
  // The host folds parts of a batch on many cores and merges them in the records' order.
  merge(seen, later) {
    return { records: seen.records + later.records, bytes: seen.bytes + later.bytes };
  },
  finish: (seen) => `${seen.records} records, ${seen.bytes} bytes`,
});
