/**
 * Reducers: one accumulator for each key (and window), folded, merged and finished.
 *
 * **`merge` must be associative, and folding records must equal merging the folds of any cut of them that keeps
 * their order.** The host folds parts of a batch on many cores and relies on it; `checkReducer` tries it.
 */

import { Column, columnOf, emptyColumn } from "./columns.js";
import { Plugin } from "./plugin.js";
import { Call, Record } from "./record.js";

/** Accumulators as JSON. */
export const json = { form: "text", encode: (accumulator) => JSON.stringify(accumulator), decode: (text) => JSON.parse(text) };

/** Accumulators that are a `Uint8Array` already. */
export const bytes = { form: "bytes", encode: (accumulator) => accumulator, decode: (encoded) => encoded };

export class Reducer extends Plugin {
  #definition;
  #codec;

  constructor(definition) {
    super(definition, ["zero", "fold", "merge", "finish"]);
    this.#definition = definition;
    this.#codec = definition.accumulator ?? json;
  }

  fold({ groups, values, timestamps }, accumulators) {
    const folded = this.#decode(accumulators);
    const call = new Call({ keys: emptyColumn(), values, headers: emptyColumn(), timestamps });
    const { fold } = this.#definition;
    const [settings, length] = [this.settings, groups.length];
    for (let index = 0; index < length; index++) {
      const group = groups[index];
      folded[group] = fold(folded[group], new Record(call, index), settings);
    }
    return this.#encode(folded);
  }

  merge(left, right) {
    const later = this.#decode(right);
    const { merge } = this.#definition;
    return this.#encode(this.#decode(left).map((accumulator, index) => merge(accumulator, later[index], this.settings)));
  }

  finish(keys, windows, accumulators) {
    const call = new Call({ keys, values: emptyColumn(), headers: emptyColumn(), timestamps: [] });
    const { finish } = this.#definition;
    const values = this.#decode(accumulators).map((accumulator, index) => {
      return finish(accumulator, new Group(call, index, windows[index]), this.settings) ?? null;
    });
    const column = values.length === 0 ? emptyColumn() : columnOf(values);
    return { keys: emptyColumn(), values: column, headers: emptyColumn(), timestamps: [] };
  }

  /** Whether it reads accumulators of older forms. */
  get migrates() {
    return typeof this.#definition.migrate === "function";
  }

  migrate(fromVersion, states) {
    const call = new Call({ keys: emptyColumn(), values: states, headers: emptyColumn(), timestamps: [] });
    const { migrate } = this.#definition;
    const migrated = Array.from({ length: call.length }, (_, index) => migrate(new State(call, index), fromVersion));
    return this.#encode(migrated);
  }

  #decode(column) {
    const encoded = new Column(column);
    const decoded = new Array(encoded.length);
    const [codec, { zero }] = [this.#codec, this.#definition];
    for (let index = 0; index < encoded.length; index++) {
      decoded[index] = encoded.has(index)
        ? codec.decode(codec.form === "text" ? encoded.text(index) : encoded.bytes(index))
        : zero(this.settings);
    }
    return decoded;
  }

  #encode(accumulators) {
    return columnOf(accumulators.map(this.#codec.encode));
  }
}

/** What a finished accumulator belongs to. */
class Group {
  #record;

  constructor(call, index, window) {
    this.#record = new Record(call, index);
    this.window = window ?? null;
  }

  get key() {
    return this.#record.key;
  }

  get keyText() {
    return this.#record.keyText;
  }

  get hasKey() {
    return this.#record.hasKey;
  }
}

/** An accumulator as an older version wrote it. */
class State {
  #record;

  constructor(call, index) {
    this.#record = new Record(call, index);
  }

  get bytes() {
    return this.#record.value;
  }

  get text() {
    return this.#record.text;
  }

  get json() {
    return this.#record.json;
  }
}

/** Makes a reducer. */
export function reducer(definition) {
  return new Reducer(definition);
}
