import assert from "node:assert/strict";
import { test } from "node:test";
import { kept } from "@tidemill/sdk/testing";
import plugin from "../src/plugin.js";

test("lines without the text are dropped", () => {
  assert.deepEqual(kept(plugin, ["an error", "all is well", "error"]), ["an error", "error"]);
  assert.deepEqual(kept(plugin, ["an error", "all is well"], { text: "well" }), ["all is well"]);
});
