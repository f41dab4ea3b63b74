/** Headers in Kafka's encoding: a count, then for each a name and a value with their lengths before them. */

import { decoded, encoded, latin1Of } from "./encoding.js";
import { Reject } from "./failures.js";

/** A list of `[name, value]`; a value is a `Uint8Array` or `null`. */
export function decodeHeaders(bytes) {
  if (bytes.length === 0) return [];
  const at = { bytes, position: 0 };
  const headers = [];
  for (let left = varint(at); left > 0; left--) {
    const name = decoded(latin1Of(take(at, varint(at))));
    const length = varint(at);
    headers.push([name, length < 0 ? null : take(at, length)]);
  }
  return headers;
}

export function encodeHeaders(headers) {
  const out = [];
  pushVarint(out, headers.length);
  for (const [name, value] of headers) {
    const latin1 = encoded(name);
    pushVarint(out, latin1.length);
    for (let index = 0; index < latin1.length; index++) out.push(latin1.charCodeAt(index));
    const bytes = typeof value === "string" ? encoded(value) : value;
    pushVarint(out, bytes === null ? -1 : bytes.length);
    for (let index = 0; index < (bytes?.length ?? 0); index++) {
      out.push(typeof bytes === "string" ? bytes.charCodeAt(index) : bytes[index]);
    }
  }
  return Uint8Array.from(out);
}

function take(at, length) {
  const end = at.position + length;
  if (length < 0 || end > at.bytes.length) throw new Reject("its headers are cut off");
  const taken = at.bytes.subarray(at.position, end);
  at.position = end;
  return taken;
}

function varint(at) {
  let number = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = take(at, 1)[0];
    number |= (byte & 0x7f) << shift;
    if (byte < 0x80) return (number >>> 1) ^ -(number & 1);
  }
  throw new Reject("its headers have a number of more than 32 bits");
}

function pushVarint(out, number) {
  let rest = ((number << 1) ^ (number >> 31)) >>> 0;
  for (; rest > 0x7f; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
}
