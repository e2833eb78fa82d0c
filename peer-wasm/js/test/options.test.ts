import assert from "node:assert/strict";
import { test } from "node:test";
import { coordinatorUrl, groupOf, isGiven, tokenFor } from "../src/page/options.js";
import { thumbprintOf } from "../src/worker/keys.js";
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

test("a join token is what the site gives for this key, and nothing where it fails", async () => {
  assert.equal(await tokenFor("a.b.c", "print"), "a.b.c");
  assert.equal(await tokenFor(({ jkt }) => `for ${jkt}`, "print"), "for print");
  assert.equal(await tokenFor(async () => "later", "print"), "later");
  assert.equal(await tokenFor(() => Promise.reject(new Error("away")), "print"), null);
  assert.equal(await tokenFor(undefined, "print"), null);
  assert.equal(await tokenFor(() => "", "print"), null);
});

test("a group is joined by its invitation, or made with a rule", () => {
  assert.equal(groupOf(undefined), null);
  assert.deepEqual(groupOf("ab12"), { text: "ab12", strangers: 0 });
  assert.deepEqual(groupOf({ name: "film" }), { text: "film", strangers: 1 });
  assert.deepEqual(groupOf({ name: "film", strangers: "no" }), { text: "film", strangers: 3 });
});

test("the key's thumbprint is that of RFC 8037", async () => {
  const thumbprint = await thumbprintOf("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
  assert.equal(thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
});

test("a mask of substreams becomes their numbers", () => {
  assert.deepEqual(substreams(0b1000_0000_0000_0101), [0, 2, 15]);
});
