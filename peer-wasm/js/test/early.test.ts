import assert from "node:assert/strict";
import { test } from "node:test";
import type { WantMessage } from "../src/messages.js";
import { EarlyWants } from "../src/worker/early.js";

const want = (id: number) => ({ kind: "want", id, dueIn: 2000 }) as WantMessage;

test("a want that waited has less time left, and one that was abandoned is gone", () => {
  const early = new EarlyWants();
  assert.equal(early.keep(want(1), 100), true);
  assert.equal(early.keep(want(2), 400), true);
  early.forget(1);
  assert.deepEqual(early.release(700), [{ ...want(2), dueIn: 1700 }]);
});

test("after the release nothing waits", () => {
  const early = new EarlyWants();
  early.release(0);
  assert.equal(early.keep(want(1), 0), false);
});

test("only so many wants wait", () => {
  const early = new EarlyWants();
  const kept = Array.from({ length: 20 }, (_, id) => early.keep(want(id), 0));
  assert.equal(kept.filter(Boolean).length, 8);
});
