/** Records as their authors see them. */

import { Column } from "./columns.js";
import { decodeHeaders } from "./headers.js";

/** The records of a call. A column without items: no record has that part, or it is not read. */
export class Call {
  constructor({ keys, values, headers, timestamps }) {
    this.keys = new Column(keys);
    this.values = new Column(values);
    this.headers = new Column(headers);
    this.timestamps = timestamps;
    this.length = Math.max(this.keys.length, this.values.length, this.headers.length, timestamps.length);
  }
}

/** A record. Its parts are taken from the call's columns when they are asked for. Its fields are not for authors. */
export class Record {
  constructor(call, index) {
    this._call = call;
    this._index = index;
  }

  get value() {
    return this._call.values.bytes(this._index);
  }

  get text() {
    const values = this._call.values;
    const { ascii, offsets } = values;
    // Most records of most plugins: one step less.
    if (ascii !== null) return ascii.substring(offsets[this._index], offsets[this._index + 1]);
    return values.text(this._index);
  }

  get json() {
    return JSON.parse(this._call.values.text(this._index));
  }

  get hasValue() {
    return this._call.values.has(this._index);
  }

  get key() {
    return this._call.keys.bytes(this._index);
  }

  get keyText() {
    return this._call.keys.text(this._index);
  }

  get hasKey() {
    return this._call.keys.has(this._index);
  }

  get headers() {
    return decodeHeaders(this._call.headers.bytes(this._index));
  }

  get timestamp() {
    return this._call.timestamps[this._index];
  }
}
