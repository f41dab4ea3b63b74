/** The records that a transform emits, and the columns that they become. */

import { columnOf, columnOfTexts, emptyColumn, KEEP } from "./columns.js";
import { Fatal } from "./failures.js";
import { encodeHeaders } from "./headers.js";

export class Emitted {
  #values = [];
  #allTexts = true;
  /** Keys, headers, timestamps and ports: only once a record has set one. */
  #more = null;
  /** Of each input record; only once one did not emit exactly one. */
  #counts = null;

  /** The values so far, while records give back one text each: a loop may push to them by itself. */
  get texts() {
    return this.#values;
  }

  /** What the function gave back for input record `index`. Where it throws, nothing of it stays. */
  take(index, result) {
    const before = this.#values.length;
    try {
      this.#push(result);
    } catch (error) {
      this.#truncate(before);
      throw error;
    }
    this.#count(index, this.#values.length - before);
  }

  /** Input record `index` emitted nothing. */
  nothing(index) {
    this.#count(index, 0);
  }

  outcome(call, { reads, ports }, rejected) {
    const counts = this.#counts ?? [];
    const emitted = { keys: emptyColumn(), values: emptyColumn(), headers: emptyColumn(), timestamps: [] };
    const given = new Sources(call, reads, counts);
    emitted.values = this.#allTexts ? columnOrNone(this.#values) : part("value", this.#values, given);
    let numbers = [];
    if (this.#more !== null) {
      const { keys, headers, timestamps } = this.#more;
      emitted.keys = part("key", keys, given);
      emitted.headers = part("headers", headers, given);
      emitted.timestamps = given.timestamps(timestamps);
      if (this.#more.ports.some((port) => port !== KEEP)) numbers = this.#more.ports.map((port) => numberOf(port, ports));
    }
    return { emitted, counts, ports: numbers, rejected };
  }

  #push(result) {
    if (result === null || result === undefined) return;
    if (typeof result === "string" || result instanceof Uint8Array) {
      if (typeof result !== "string") this.#allTexts = false;
      this.#values.push(result);
      if (this.#more !== null) this.#fill();
    } else if (typeof result[Symbol.iterator] === "function") {
      for (const each of result) this.#push(each);
    } else if (typeof result === "object") {
      this.#pushRecord(result);
    } else {
      throw new Fatal(`a plugin gives back text, Uint8Array, a record, null or several of them, not ${typeof result}`);
    }
  }

  #pushRecord({ value, key, headers, timestamp, port }) {
    if (this.#more === null) {
      this.#more = { keys: [], headers: [], timestamps: [], ports: [] };
      for (let before = 0; before < this.#values.length; before++) this.#fill();
    }
    if (typeof value !== "string") this.#allTexts = false;
    this.#values.push(value);
    this.#more.keys.push(key);
    this.#more.headers.push(headers === KEEP || headers === null ? headers : encodeHeaders(headers));
    this.#more.timestamps.push(timestamp);
    this.#more.ports.push(port);
  }

  /** A record that sets its value alone. */
  #fill() {
    const { keys, headers, timestamps, ports } = this.#more;
    keys.push(KEEP);
    headers.push(KEEP);
    timestamps.push(KEEP);
    ports.push(KEEP);
  }

  #count(index, number) {
    if (this.#counts === null) {
      if (number === 1) return;
      this.#counts = new Array(index).fill(1);
    }
    this.#counts.push(number);
  }

  #truncate(length) {
    this.#values.length = length;
    if (this.#more !== null) for (const parts of Object.values(this.#more)) parts.length = length;
  }
}

/** The input record of each emitted one. */
class Sources {
  #indexes = null;

  constructor(call, reads, counts) {
    this.call = call;
    this.reads = reads;
    this.counts = counts;
  }

  /** The column of a part that some records keep. */
  column(name) {
    if (!this.reads.includes(name)) throw unread(name);
    return this.call[COLUMNS[name]];
  }

  of(emitted) {
    if (this.counts.length === 0) return emitted;
    this.#indexes ??= this.counts.flatMap((number, index) => new Array(number).fill(index));
    return this.#indexes[emitted];
  }

  timestamps(all) {
    if (all.every((timestamp) => timestamp === KEEP)) return [];
    if (!all.includes(KEEP)) return all;
    const given = this.column("timestamp");
    return all.map((timestamp, index) => (timestamp === KEEP ? given[this.of(index)] : timestamp));
  }
}

const COLUMNS = { key: "keys", value: "values", headers: "headers", timestamp: "timestamps" };

function part(name, parts, sources) {
  if (!parts.includes(KEEP)) return columnOf(parts);
  if (parts.every((each) => each === KEEP)) return emptyColumn();
  const given = sources.column(name);
  return columnOf(parts.map((each, index) => {
    if (each !== KEEP) return each;
    const source = sources.of(index);
    return given.has(source) ? given.bytes(source) : null;
  }));
}

/** Nothing was emitted: a column without items means the same. */
function columnOrNone(texts) {
  return texts.length === 0 ? emptyColumn() : columnOfTexts(texts);
}

function unread(name) {
  return new Fatal(
    `some records set their ${name} and others keep it, but the plugin does not read it: ` +
      `set it for all, or add "${name}" to \`reads\``,
  );
}

function numberOf(port, ports) {
  if (port === KEEP) return 0;
  const number = ports.indexOf(port);
  if (number < 0) throw new Fatal(`there is no port \`${port}\`; the plugin has ${ports.join(", ") || "none by name"}`);
  return number;
}
