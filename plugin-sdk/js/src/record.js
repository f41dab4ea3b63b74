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

/** A record. Its parts are taken from the call's columns when they are asked for. */
export class Record {
  #call;
  #index;

  constructor(call, index) {
    this.#call = call;
    this.#index = index;
  }

  get value() {
    return this.#call.values.bytes(this.#index);
  }

  get text() {
    return this.#call.values.text(this.#index);
  }

  get json() {
    return JSON.parse(this.#call.values.text(this.#index));
  }

  get hasValue() {
    return this.#call.values.has(this.#index);
  }

  get key() {
    return this.#call.keys.bytes(this.#index);
  }

  get keyText() {
    return this.#call.keys.text(this.#index);
  }

  get hasKey() {
    return this.#call.keys.has(this.#index);
  }

  get headers() {
    return decodeHeaders(this.#call.headers.bytes(this.#index));
  }

  get timestamp() {
    return this.#call.timestamps[this.#index];
  }
}
