import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "@tidemill/sdk/testing";
import plugin from "../src/plugin.js";

test("short words are left out", () => {
  const { emitted } = run(plugin, ["to be or not"], { length_min: 3 });
  assert.deepEqual(emitted.map((word) => word.keyText), ["not"]);
});

test("a line that is no text is rejected", () => {
  const { emitted, rejected } = run(plugin, [new Uint8Array([0xff]), "longer"]);
  assert.deepEqual([emitted.length, rejected[0].index], [1, 0]);
});
