import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf } from "../src/page/calls.js";

test("an answer holds what the coordinator told, and nothing of the caller", () => {
  const offer = "v=0\r\na=mid:data\r\na=candidate:1 1 udp 1 192.0.2.9 9 typ host\r\n";
  const hosts = ["203.0.113.7:4433", "[2001:db8:0:0:0:0:0:1]:4433"];
  const sdp = answerOf(offer, { name: "caller", hosts, certificate: "0a".repeat(32) });
  assert.match(sdp, /^a=mid:data\r$/m);
  assert.match(sdp, /^a=ice-lite\r$/m);
  assert.match(sdp, /^a=ice-ufrag:caller\r$/m);
  assert.match(sdp, new RegExp(`^a=ice-pwd:${"0a".repeat(32)}\r$`, "m"));
  assert.match(sdp, /^a=fingerprint:sha-256 0A(:0A){31}\r$/m);
  assert.match(sdp, /^a=candidate:1 1 udp 2130706431 203\.0\.113\.7 4433 typ host\r$/m);
  assert.match(sdp, /^a=candidate:2 1 udp 2130706175 2001:db8:0:0:0:0:0:1 4433 typ host\r$/m);
  assert.doesNotMatch(sdp, /192\.0\.2\.9/);
});
