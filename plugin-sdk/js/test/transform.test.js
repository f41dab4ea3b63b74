import assert from "node:assert/strict";
import { test } from "node:test";
import { choice, Fatal, integer, log, metrics, Reject, Retryable, reject, transform } from "../src/index.js";
import { batchOf, remembered, run } from "../src/testing.js";

const upper = transform({ summary: "Upper case", reads: ["value"], process: (record) => record.text.toUpperCase() });

test("text in, text out", () => {
  const texts = ["a", "", "straße", "é", "漢字 \u{1F600}"];
  const { emitted, rejected } = run(upper, texts);
  assert.deepEqual(emitted.map((record) => record.text), texts.map((text) => text.toUpperCase()));
  assert.deepEqual(rejected, []);
});

test("what is not read stays as it is", () => {
  const headers = [["h", new Uint8Array([1, 2])], ["none", null]];
  const [record] = run(upper, [{ value: "a", key: "K", headers, timestamp: 7 }]).emitted;
  assert.deepEqual([record.keyText, record.text, record.timestamp, record.port], ["K", "A", 7, "out"]);
  assert.deepEqual(record.headers.map(([name, value]) => [name, value && [...value]]), [["h", [1, 2]], ["none", null]]);
});

test("a value that is no text rejects its record alone", () => {
  const { emitted, rejected } = run(upper, ["a", new Uint8Array([0xff]), "b"]);
  assert.deepEqual(emitted.map((record) => record.text), ["A", "B"]);
  assert.deepEqual(rejected, [{ index: 1, reason: "it is not UTF-8" }]);
});

test("no records, and records without values", () => {
  assert.deepEqual(run(upper, []).emitted, []);
  const echo = transform({ summary: "x", reads: ["value"], process: (record) => (record.hasValue ? record.value : { value: null }) });
  const { emitted } = run(echo, [{ value: null, key: "a" }, { value: "", key: "b" }]);
  assert.deepEqual(emitted.map((record) => [record.keyText, record.text]), [["a", null], ["b", ""]]);
});

test("one, none and several; text, bytes and records", () => {
  const kinds = transform({
    summary: "x",
    reads: ["key", "value", "headers", "timestamp"],
    ports: ["out", "odd"],
    *process(record) {
      for (const letter of record.text) {
        if (letter === "s") yield letter;
        else if (letter === "b") yield new Uint8Array([98]);
        else if (letter === "o") yield { value: "o", key: "key", timestamp: 5, port: "odd", headers: [["h", "1"]] };
        else if (letter === "n") yield null;
        else reject(`letter ${letter}`);
      }
    },
  });
  const { emitted, rejected } = run(kinds, [{ value: "sbo", key: "k" }, "", "nox", "s"].map((record) =>
    typeof record === "string" ? { value: record, timestamp: 1 } : record));
  const shown = emitted.map(({ text, keyText, timestamp, port, headers }) => [text, keyText, timestamp, port, headers.length]);
  assert.deepEqual(shown, [
    ["s", "k", 0, "out", 0], ["b", "k", 0, "out", 0], ["o", "key", 5, "odd", 1], ["s", null, 1, "out", 0],
  ]);
  assert.deepEqual(rejected, [{ index: 2, reason: "letter x" }]);
});

test("a record emits all or nothing", () => {
  const half = transform({
    summary: "x",
    reads: ["value"],
    *process({ text }) {
      yield { key: text, value: "" };
      if (text === "bad") throw new Reject("bad");
    },
  });
  const batch = batchOf(["a", "bad", "c"]);
  half.configure({});
  const outcome = half.process(batch);
  assert.deepEqual(outcome.counts, [1, 0, 1]);
  assert.deepEqual(run(half, ["a", "bad", "c"]).emitted.map((record) => record.keyText), ["a", "c"]);
});

test("errors of a record and errors of the call", () => {
  const failing = (error) => transform({ summary: "x", reads: ["value"], process: () => { throw error; } });
  const [{ reason }] = run(failing(new TypeError("no good")), ["a"]).rejected;
  assert.match(reason, /^TypeError: no good \(transform\.test\.js:\d+\)$/);
  assert.throws(() => run(failing(new Fatal("all")), ["a"]), Fatal);
  assert.throws(() => run(failing(new Retryable("later")), ["a"]), Retryable);
  assert.throws(() => run(transform({ summary: "x", ports: ["a"], process: () => ({ value: "", port: "b" }) }), ["a"]), /no port `b`/);
});

test("a part that only some records set has to be read", () => {
  const some = (reads) => transform({ summary: "x", reads, process: ({ text }) => (text === "a" ? { key: "new" } : { value: text }) });
  assert.throws(() => run(some(["value"]), [{ value: "a", key: "k" }, { value: "b", key: "l" }]), /add "key" to `reads`/);
  const { emitted } = run(some(["value", "key"]), [{ value: "a", key: "k" }, { value: "b", key: "l" }]);
  assert.deepEqual(emitted.map((record) => [record.keyText, record.text]), [["new", "a"], ["l", "b"]]);
});

test("parameters are typed, checked and prepared", () => {
  const plugin = transform({
    summary: "x",
    reads: ["value"],
    parameters: {
      at_least: integer({ doc: "How many." }),
      mode: choice(["fail", "skip"], { doc: "What to do.", default: "fail" }),
    },
    prepare(parameters) {
      if (parameters.at_least < 0) throw new RangeError("at_least must not be negative");
      return parameters;
    },
    process: (record, { mode, at_least }) => `${mode} ${at_least}`,
  });
  assert.equal(run(plugin, ["a"], { at_least: 2 }).emitted[0].text, "fail 2");
  assert.throws(() => run(plugin, ["a"]), /`at_least` is not set/);
  assert.throws(() => run(plugin, ["a"], { at_least: 1.5 }), /integer expected, not 1.5/);
  assert.throws(() => run(plugin, ["a"], { at_least: -1 }), /must not be negative/);
  assert.throws(() => run(plugin, ["a"], { at_least: 1, mode: "ask" }), /`ask` is not one of `fail`, `skip`/);
  assert.throws(() => run(plugin, ["a"], { at_least: 1, more: 1 }), /no parameter `more`/);
  assert.match(plugin.parameters.mode.doc, /One of `fail`, `skip`\.$/);
});

test("a wrong definition is refused where it stands", () => {
  assert.throws(() => transform({ summary: "x" }), /needs a function `process`/);
  assert.throws(() => transform({ process: () => null }), /needs a `summary`/);
  assert.throws(() => transform({ summary: "x", reads: ["values"], process: () => null }), /`reads` names `values`/);
  assert.throws(() => transform({ summary: "x", ports: ["Bad"], process: () => null }), /port `Bad`/);
  assert.throws(() => transform({ summary: "x", parameters: { lengthMin: integer({ doc: "d" }) }, process: () => null }), /lengthMin/);
  assert.throws(() => integer({}), /needs a `doc`/);
});

test("what is logged and counted is remembered in tests", () => {
  const noisy = transform({ summary: "x", reads: ["value"], process({ text }) { log.info(text); metrics.count("seen", 2, { kind: "a" }); metrics.gauge("g", 1.5); } });
  assert.deepEqual(run(noisy, ["hello"]).emitted, []);
  assert.deepEqual(remembered.messages.at(-1), { level: "info", message: "hello" });
  assert.deepEqual(remembered.counters.at(-1), { name: "seen", by: 2, labels: { kind: "a" } });
  assert.deepEqual(remembered.gauges.at(-1), { name: "g", value: 1.5, labels: {} });
});
