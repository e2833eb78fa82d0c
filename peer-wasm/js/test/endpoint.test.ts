import assert from "node:assert/strict";
import { test } from "node:test";
import { hostOf } from "../src/worker/endpoint.js";

test("addresses of both kinds become hosts of a URL", () => {
  const v4 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1, 0x1f, 0x90];
  assert.equal(hostOf(Uint8Array.from(v4)), "127.0.0.1:8080");
  const v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0xbb];
  assert.equal(hostOf(Uint8Array.from(v6)), "[2001:db8:0:0:0:0:0:1]:443");
  assert.equal(new URL(`https://${hostOf(Uint8Array.from(v6))}/`).hostname, "[2001:db8::1]");
});
