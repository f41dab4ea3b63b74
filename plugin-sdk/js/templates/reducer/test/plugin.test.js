import assert from "node:assert/strict";
import { test } from "node:test";
import { checkReducer, reduce } from "@tidemill/sdk/testing";
import plugin from "../src/plugin.js";

const lines = ["a", "bb", ""].map((value) => ({ key: "k", value }));

test("records and bytes are counted", () => {
  assert.deepEqual(reduce(plugin, lines), { k: "3 records, 3 bytes" });
});

test("any cut of the records gives the same", () => {
  checkReducer(plugin, lines);
});
