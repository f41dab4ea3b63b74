import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, filter, reducer, text } from "../src/index.js";
import { bytes as utf8, checkReducer, kept, migrated, reduce } from "../src/testing.js";

const longest = reducer({
  summary: "The longest value of each key",
  reads: ["value"],
  zero: () => ({ text: "", seen: 0 }),
  fold: (kept, record) => ({ text: record.text.length > kept.text.length ? record.text : kept.text, seen: kept.seen + 1 }),
  merge: (kept, later) => ({ text: later.text.length > kept.text.length ? later.text : kept.text, seen: kept.seen + later.seen }),
  finish: ({ text, seen }, group) => `${group.keyText}: ${text} of ${seen}${group.window ? ` since ${group.window.start}` : ""}`,
});
const records = [["k", "a"], ["l", "é"], ["k", "ccc"], ["k", "dd"], ["l", ""]].map(([key, value]) => ({ key, value }));

test("records are folded by their keys", () => {
  assert.deepEqual(reduce(longest, records), { k: "k: ccc of 3", l: "l: é of 2" });
  assert.deepEqual(reduce(longest, records.slice(0, 1), {}, { start: 5, end: 9 }), { k: "k: a of 1 since 5" });
});

test("any cut gives the same, and a wrong merge is found", () => {
  checkReducer(longest, records);
  const wrong = reducer({ ...definition(), merge: (left) => left });
  assert.throws(() => checkReducer(wrong, records), /merging the folds of records/);
});

function definition() {
  return { summary: "x", reads: [], zero: () => 0, fold: (n) => n + 1, merge: (a, b) => a + b, finish: (n) => (n > 2 ? String(n) : null) };
}

test("nothing has to be read to count, and a value can be absent", () => {
  assert.deepEqual(reduce(reducer(definition()), records), { k: "3", l: null });
});

test("accumulators can be bytes", () => {
  const sum = reducer({
    ...definition(),
    accumulator: bytes,
    zero: () => new Uint8Array([0]),
    fold: ([n]) => new Uint8Array([n + 1]),
    merge: ([a], [b]) => new Uint8Array([a + b]),
    finish: ([n]) => utf8(`${n}`),
  });
  assert.deepEqual(reduce(sum, records), { k: "3", l: "2" });
  checkReducer(sum, records);
});

test("accumulators of older versions are rewritten", () => {
  const sum = reducer({
    ...definition(),
    migrate: (state, fromVersion) => (fromVersion === 1 ? state.json.records : state.bytes.length + Number(state.text)),
  });
  assert.equal(sum.migrates, true);
  assert.equal(reducer(definition()).migrates, false);
  assert.deepEqual(migrated(sum, [{ records: 3 }, { records: 4 }], 1), ["3", "4"]);
  assert.deepEqual(migrated(sum, ["15", utf8("0")], 2), ["17", "1"]);
  assert.throws(() => migrated(sum, ["{"], 1), SyntaxError);
});

test("a filter keeps what it says", () => {
  const has = filter({
    summary: "Keeps lines with a text",
    reads: ["value"],
    parameters: { text: text({ doc: "The text.", default: "e" }) },
    keep: (record, settings) => record.text.includes(settings.text),
  });
  const lines = Array.from({ length: 20 }, (_, index) => (index % 3 === 0 ? `e${index}` : `${index}`));
  assert.deepEqual(kept(has, lines), lines.filter((line) => line.includes("e")));
  assert.deepEqual(kept(has, ["a", "x"], { text: "x" }), ["x"]);
});
