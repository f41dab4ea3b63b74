/**
 * Between bytes and text, for whole columns at once.
 *
 * QuickJS has no TextEncoder, and a loop over single bytes costs more there than all else together. What it has
 * in native code are base64 and the percent encodings: text goes through those, by way of strings with one
 * letter for each byte ("latin1").
 */

const ASCII = /^[\x00-\x7f]*$/;

/** One letter for each byte. */
export const latin1Of = Uint8Array.prototype.toBase64
  ? (data) => atob(data.toBase64())
  : (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1");

/** The bytes of letters up to U+00FF. */
export const bytesOf = Uint8Array.fromBase64
  ? (latin1) => Uint8Array.fromBase64(btoa(latin1))
  : (latin1) => new Uint8Array(Buffer.from(latin1, "latin1"));

export function isAscii(text) {
  return ASCII.test(text);
}

/** Text whose UTF-8 these letters are; throws URIError where they are none. */
export function decoded(latin1) {
  return decodeURIComponent(escape(latin1));
}

/** The UTF-8 of a text, one letter for each byte. */
export function encoded(text) {
  return unescape(encodeURIComponent(text.toWellFormed()));
}

/** The UTF-8 of a text. */
export function utf8(text) {
  return bytesOf(isAscii(text) ? text : encoded(text));
}
