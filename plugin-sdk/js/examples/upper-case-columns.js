// The same without the SDK, on the columns themselves, with the SDK's own way between bytes and text: what
// `tests/bench/sdks` compares with. (A loop over the bytes would be many times slower.)

const none = { data: new Uint8Array(0), offsets: [], validity: new Uint8Array(0) };
const ASCII = /^[\x00-\x7f]*$/;

export const definition = {
  describe: () => ({
    name: "upper-case-columns",
    version: "0.1.0",
    summary: "Upper case, by hand",
    parameters: [],
    reads: { keys: false, values: true, headers: false, timestamps: false },
    ports: [],
    stateVersion: 0,
  }),
  configure() {},
};

export const transformer = {
  process({ values: { data, offsets } }) {
    const latin1 = atob(data.toBase64());
    const decode = ASCII.test(latin1) ? (text) => text : (text) => decodeURIComponent(escape(text));
    const parts = [];
    for (let index = 0; index + 1 < offsets.length; index++) {
      parts.push(decode(latin1.substring(offsets[index], offsets[index + 1])).toUpperCase());
    }
    let joined = parts.join("");
    if (!ASCII.test(joined)) {
      parts.forEach((part, index) => (parts[index] = unescape(encodeURIComponent(part))));
      joined = parts.join("");
    }
    const ends = [0];
    let end = 0;
    for (const part of parts) ends.push((end += part.length));
    const column = { data: Uint8Array.fromBase64(btoa(joined)), offsets: ends, validity: new Uint8Array(0) };
    return { emitted: { keys: none, values: column, headers: none, timestamps: [] }, counts: [], ports: [], rejected: [] };
  },
};
