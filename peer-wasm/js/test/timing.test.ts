import assert from "node:assert/strict";
import { test } from "node:test";
import { cdnSpeed, cdnTime, delivered, waiting } from "../src/page/timing.js";
import { LinkSpeed } from "../src/worker/link-speed.js";

test("while peers are waited for, loading has always begun only now", () => {
  let clock = 1000;
  const timing = waiting(() => clock);
  assert.equal(timing.start, 1000);
  clock = 9000;
  assert.equal(timing.start, 9000);
});

test("a bandwidth estimator computes the link's speed from a delivered segment's timing", () => {
  const bytes = 250_000;
  const timing = delivered(bytes, 10_000_000, 40, 5000);
  assert.equal((bytes * 8000) / (timing.end - timing.first), 10_000_000);
  assert.equal(timing.first - timing.start, 40);
  assert.equal(timing.end, 5000);
});

test("what a slow CDN brought shows how slow it is, not how fast the link to peers is", () => {
  assert.equal(cdnSpeed(250_000, 250_000, 4040, 40), 500_000);
  assert.equal(cdnSpeed(125_000, 250_000, 2040, 40), 500_000, "peers brought half of it");
  assert.equal(cdnSpeed(60_000, 250_000, 2040, 40), null, "peers brought most of it");
});

test("the estimate of a CDN's time errs on the long side", () => {
  assert.ok(cdnTime(2_000_000, 1_000_000, 40) > 2040);
});

test("bytes that a source paces say nothing about the link", () => {
  const speed = new LinkSpeed();
  for (let at = 0; at < 2000; at += 50) speed.note(64 * 1024, at);
  assert.equal(speed.bps, null);
});

test("a burst shows the link's speed, whatever pauses lie between bursts", () => {
  const speed = new LinkSpeed();
  for (let burst = 0; burst < 4; burst += 1) {
    // 16 KiB a millisecond: 131 Mbit/s.
    for (let at = 0; at <= 8; at += 1) speed.note(16 * 1024, burst * 2000 + at);
  }
  assert.equal(speed.bps, 16 * 1024 * 8000);
});
