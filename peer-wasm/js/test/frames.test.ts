import assert from "node:assert/strict";
import { test } from "node:test";
import { Kind, MAX_FRAME, decodeFrame, encodeFrame, pieces } from "../src/worker/frames.js";

/** `runnel-protocol`'s `channels` has the same bytes in its test. */
test("a frame is these bytes", () => {
  const frame = encodeFrame(Kind.Data, 0x01020304, new TextEncoder().encode("ab"));
  assert.deepEqual([...frame], [0, 4, 3, 2, 1, 97, 98]);
  assert.deepEqual([...encodeFrame(Kind.Close, 5)], [4, 5, 0, 0, 0]);
});

test("frames survive the way", () => {
  const bytes = new Uint8Array(MAX_FRAME).fill(7);
  const read = decodeFrame(encodeFrame(Kind.Data, 2 ** 32 - 1, bytes).buffer);
  assert.deepEqual(read, { kind: Kind.Data, number: 2 ** 32 - 1, bytes });
});

test("what is no frame is refused", () => {
  const tooLong = new Uint8Array(MAX_FRAME + 6);
  for (const bytes of [[], [0, 1, 0, 0], [0, 1, 0, 0, 0], [5, 0, 0, 0, 0], [1, 0, 0, 0, 0, 9]]) {
    assert.equal(decodeFrame(Uint8Array.from(bytes).buffer), null);
  }
  assert.equal(decodeFrame(tooLong.buffer), null);
});

test("what is larger than a frame goes in pieces", () => {
  const lengths = pieces(new Uint8Array(2 * MAX_FRAME + 1)).map((piece) => piece.length);
  assert.deepEqual(lengths, [MAX_FRAME, MAX_FRAME, 1]);
});
