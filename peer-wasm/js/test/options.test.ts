import assert from "node:assert/strict";
import { test } from "node:test";
import { coordinatorUrl, isGiven } from "../src/page/options.js";
import { substreams } from "../src/worker/ledger.js";

test("a coordinator may be named by host, by page URL or in full", () => {
  assert.equal(coordinatorUrl("https://peers.example"), "wss://peers.example/v1/peer");
  assert.equal(coordinatorUrl("http://127.0.0.1:8080/"), "ws://127.0.0.1:8080/v1/peer");
  assert.equal(coordinatorUrl("ws://a.example/v1/peer"), "ws://a.example/v1/peer");
  assert.equal(coordinatorUrl("/v1/peer", "https://b.example/watch"), "wss://b.example/v1/peer");
});

test("only a clear yes is consent", async () => {
  assert.equal(await isGiven(true), true);
  assert.equal(await isGiven(async () => true), true);
  assert.equal(await isGiven(undefined), false);
  assert.equal(await isGiven(() => "yes" as never), false);
  assert.equal(await isGiven(() => Promise.reject(new Error("asked in vain"))), false);
});

test("a mask of substreams becomes their numbers", () => {
  assert.deepEqual(substreams(0b1000_0000_0000_0101), [0, 2, 15]);
});
