/** Runs plugins natively, over records and without a host, as a host would run them. */

import { Column, columnOf, emptyColumn } from "./columns.js";
import { utf8 } from "./encoding.js";
import { decodeHeaders, encodeHeaders } from "./headers.js";

export { remembered } from "./grants.js";

/** The text of bytes; `null` where there are none. */
export function textOf(bytes) {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

/** Runs a transform over records (text and bytes stand for a record with that value). */
export function run(plugin, records, settings = {}) {
  const whole = batchOf(records);
  plugin.configure(settings);
  const { emitted, counts, ports, rejected } = plugin.process(readBy(plugin, whole));
  const sources = (counts.length > 0 ? counts : whole.timestamps.map(() => 1))
    .flatMap((number, index) => new Array(number).fill(index));
  const names = plugin.ports.length > 0 ? plugin.ports : ["out"];
  const part = (column) => {
    const own = new Column(emitted[column]);
    const given = new Column(whole[column]);
    return (index) => {
      const [from, item] = own.length > 0 ? [own, index] : [given, sources[index]];
      return from.has(item) ? from.bytes(item) : null;
    };
  };
  const [keys, values, headers] = [part("keys"), part("values"), part("headers")];
  const records_ = sources.map((source, index) => ({
    key: keys(index),
    value: values(index),
    headers: decodeHeaders(headers(index) ?? new Uint8Array(0)),
    timestamp: emitted.timestamps[index] ?? whole.timestamps[source],
    port: names[ports[index] ?? 0],
    get text() {
      return textOf(this.value);
    },
    get keyText() {
      return textOf(this.key);
    },
  }));
  return { emitted: records_, rejected };
}

/** The records that a filter keeps. */
export function kept(plugin, records, settings = {}) {
  plugin.configure(settings);
  const bits = plugin.keep(readBy(plugin, batchOf(records)));
  return records.filter((_, index) => (bits[index >> 3] >> (index & 7)) & 1);
}

/** The value of each key as text, running totals over all records, or over those of one window. */
export function reduce(plugin, records, settings = {}, window = null) {
  plugin.configure(settings);
  const groups = new Groups(plugin, records);
  const accumulators = groups.fold(0, records.length, groups.none());
  const windows = window === null ? [] : groups.keys.map(() => window);
  const values = new Column(plugin.finish(columnOf(groups.keys), windows, accumulators).values);
  return Object.fromEntries(groups.keys.map((key, index) => [key ?? "", values.has(index) ? values.text(index) : null]));
}

/**
 * Cuts the records at every place, folds the parts and merges, and compares with one fold; then tries both
 * orders of association. Throws with the cut that gave another result.
 */
export function checkReducer(plugin, records, settings = {}) {
  plugin.configure(settings);
  const groups = new Groups(plugin, records);
  const number = records.length;
  const folded = (start, end) => groups.fold(start, end, groups.none());
  const same = (left, right, what) => {
    if (JSON.stringify([...left.data, left.offsets]) !== JSON.stringify([...right.data, right.offsets])) throw new Error(what);
  };
  const whole = folded(0, number);
  for (let cut = 0; cut <= number; cut++) {
    const merged = plugin.merge(folded(0, cut), folded(cut, number));
    same(merged, whole, `merging the folds of records 0..${cut} and ${cut}..${number} is not their fold`);
    const continued = groups.fold(cut, number, folded(0, cut));
    same(continued, whole, `folding 0..${cut} and going on with ${cut}..${number} is not their fold`);
    const [a, c] = [cut >> 1, (cut + number) >> 1];
    const parts = [folded(0, a), folded(a, cut), folded(cut, c)];
    const left = plugin.merge(plugin.merge(parts[0], parts[1]), parts[2]);
    const right = plugin.merge(parts[0], plugin.merge(parts[1], parts[2]));
    same(left, right, `merging 0..${a}, ${a}..${cut} and ${cut}..${c} is not associative`);
  }
}

/** The accumulators that a reducer makes of those that an older version wrote: texts, bytes, or what JSON has. */
export function migrated(plugin, states, fromVersion) {
  const written = states.map((state) => (typeof state === "string" || state instanceof Uint8Array ? state : JSON.stringify(state)));
  const column = new Column(plugin.migrate(fromVersion, columnOf(written)));
  return states.map((_, index) => column.text(index));
}

/** Records as columns. */
export function batchOf(records) {
  const all = records.map(recordOf);
  const column = (part) => {
    const parts = all.map((record) => record[part] ?? null);
    return parts.every((each) => each === null) ? emptyColumn() : columnOf(parts);
  };
  return { keys: column("key"), values: column("value"), headers: column("headers"), timestamps: all.map((record) => record.timestamp ?? 0) };
}

function recordOf(record) {
  if (typeof record === "string" || record instanceof Uint8Array) return { value: record };
  return record.headers ? { ...record, headers: encodeHeaders(record.headers) } : record;
}

/** What the plugin reads of it, as the host does; timestamps show how many records there are. */
function readBy({ reads }, { keys, values, headers, timestamps }) {
  const column = (part, column) => (reads.includes(part) ? column : emptyColumn());
  return { keys: column("key", keys), values: column("value", values), headers: column("headers", headers), timestamps };
}

/** Records by their keys, in the order of first occurrence. */
class Groups {
  constructor(plugin, records) {
    this.plugin = plugin;
    this.records = records.map(recordOf);
    this.keys = [...new Set(this.records.map((record) => record.key ?? null))];
    this.groups = this.records.map((record) => this.keys.indexOf(record.key ?? null));
  }

  none() {
    return columnOf(this.keys.map(() => null));
  }

  fold(start, end, accumulators) {
    const { values, timestamps } = readBy(this.plugin, batchOf(this.records.slice(start, end)));
    return this.plugin.fold({ groups: this.groups.slice(start, end), values, timestamps }, accumulators);
  }
}

/** The UTF-8 of a text, for keys and values of test records. */
export const bytes = utf8;
