/** Columns of byte strings, as they cross the boundary: one buffer, and where each item ends. */

import { Fatal, Reject } from "./failures.js";
import { bytesOf, decoded, encoded, isAscii, latin1Of, utf8 } from "./encoding.js";

/** What stays as it is in the input record. */
export const KEEP = undefined;

export function emptyColumn() {
  return { data: new Uint8Array(0), offsets: [], validity: new Uint8Array(0) };
}

/**
 * A column to read from; its text is decoded once, when it is first asked for.
 *
 * Fields are plain, for private ones cost twice as much to read in QuickJS and this is read for every record.
 */
export class Column {
  constructor({ data, offsets, validity }) {
    this.data = data;
    this.offsets = offsets;
    this.validity = validity;
    this.length = Math.max(offsets.length - 1, 0);
    /** All of it as text, once it is known to be ASCII: byte and letter have the same index. */
    this.ascii = null;
    this.latin1 = null;
  }

  /** False for an absent item, and for all where there are none. */
  has(index) {
    if (index >= this.length) return false;
    return this.validity.length === 0 || ((this.validity[index >> 3] >> (index & 7)) & 1) === 1;
  }

  /** An absent item is empty. */
  bytes(index) {
    return index < this.length
      ? this.data.subarray(this.offsets[index], this.offsets[index + 1])
      : this.data.subarray(0, 0);
  }

  /** An absent item is empty; one that is not UTF-8 rejects its record. */
  text(index) {
    if (index >= this.length) return "";
    if (this.latin1 === null) {
      this.latin1 = latin1Of(this.data);
      if (isAscii(this.latin1)) this.ascii = this.latin1;
    }
    const text = this.latin1.substring(this.offsets[index], this.offsets[index + 1]);
    return this.ascii === null ? textOf(text) : text;
  }
}

function textOf(latin1) {
  try {
    return decoded(latin1);
  } catch {
    throw new Reject("it is not UTF-8");
  }
}

/** A column of texts, bytes and `null`s. */
export function columnOf(parts) {
  const validity = parts.includes(null) ? bitmap(parts.map((part) => part !== null)) : new Uint8Array(0);
  if (parts.every((part) => typeof part === "string" || part === null)) return columnOfTexts(parts, validity);
  const all = parts.map((part) => {
    if (part instanceof Uint8Array) return part;
    if (part === null) return new Uint8Array(0);
    if (typeof part === "string") return utf8(part);
    throw new Fatal(`a part of a record is text, a Uint8Array or null, not ${typeof part}`);
  });
  const offsets = ends(all);
  const data = new Uint8Array(offsets[all.length]);
  all.forEach((part, index) => data.set(part, offsets[index]));
  return { data, offsets, validity };
}

/** A column of texts, and of `null`s where `validity` says so. */
export function columnOfTexts(parts, validity = new Uint8Array(0)) {
  const texts = validity.length === 0 ? parts : parts.map((part) => part ?? "");
  const joined = texts.join("");
  if (isAscii(joined)) return { data: bytesOf(joined), offsets: ends(texts), validity };
  const utf8s = texts.map((part) => (isAscii(part) ? part : encoded(part)));
  return { data: bytesOf(utf8s.join("")), offsets: ends(utf8s), validity };
}

function ends(parts) {
  const offsets = [0];
  let end = 0;
  for (const part of parts) offsets.push((end += part.length));
  return offsets;
}

/** Bit i, least significant first, is that of item i. */
export function bitmap(bits) {
  const bytes = new Uint8Array((bits.length + 7) >> 3);
  bits.forEach((bit, index) => {
    if (bit) bytes[index >> 3] |= 1 << (index & 7);
  });
  return bytes;
}
