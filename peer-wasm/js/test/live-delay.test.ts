import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveDelay } from "../src/page/live-delay.js";

/** A player at 100 s of a live stream whose playlist is `window` seconds long; the site wants `target`. */
function player({ target = 6, window = 60, most = Number.POSITIVE_INFINITY } = {}) {
  return {
    config: {} as { liveSyncDuration?: number; liveMaxLatencyDuration?: number },
    latestLevelDetails: { live: true, targetduration: 2, totalduration: window },
    media: { currentTime: 94, paused: false, seeking: false },
    get targetLatency() {
      return this.config.liveSyncDuration ?? target;
    },
    set targetLatency(latency: number) {
      this.config.liveSyncDuration = latency;
    },
    get maxLatency() {
      return this.config.liveMaxLatencyDuration ?? most;
    },
    get liveSyncPosition() {
      return 100 - this.targetLatency;
    },
  };
}

function delayed(seconds: number) {
  const delay = new LiveDelay();
  delay.ask(seconds);
  return delay;
}

test("the target is later than the site's, and the playhead is taken back to it", () => {
  const hls = player();
  const delay = delayed(20);
  assert.equal(delay.apply(hls), 20);
  assert.equal(hls.targetLatency, 26);
  assert.equal(hls.media.currentTime, 74);

  hls.media.currentTime = 75;
  delay.apply(hls);
  assert.equal(hls.media.currentTime, 75, "within a segment of it");
  hls.media.currentTime = 90;
  hls.media.paused = true;
  delay.apply(hls);
  assert.equal(hls.media.currentTime, 90, "nothing is played");
  hls.media.paused = false;
  delay.apply(hls);
  assert.equal(hls.media.currentTime, 74, "who seeks ahead comes back");
});

test("a short playlist limits it, but never below the site's own target", () => {
  const hls = player({ window: 20 });
  assert.equal(delayed(20).apply(hls), 10);
  assert.equal(hls.targetLatency, 16);
  const shorter = player({ window: 6 });
  assert.equal(delayed(20).apply(shorter), 0);
  assert.equal(shorter.targetLatency, 6);
  assert.equal(shorter.media.currentTime, 94);
});

test("hls.js does not jump ahead to the site's highest latency meanwhile", () => {
  const hls = player({ most: 20 });
  const delay = delayed(20);
  delay.apply(hls);
  assert.equal(hls.maxLatency, 40);
  delay.apply(hls);
  assert.equal(hls.maxLatency, 40);
  delay.ask(30);
  delay.apply(hls);
  assert.equal(hls.maxLatency, 50);
  delay.ask(0);
  delay.apply(hls);
  assert.equal(hls.maxLatency, 20);
});

test("the site's own settings come back, those that it made meanwhile as well", () => {
  const hls = player();
  const delay = delayed(20);
  delay.apply(hls);
  delay.ask(0);
  assert.equal(delay.apply(hls), null);
  assert.equal(hls.targetLatency, 6);

  const other = delayed(20);
  other.apply(hls);
  hls.targetLatency = 10;
  other.apply(hls);
  assert.equal(hls.targetLatency, 30);
  other.ask(0);
  other.apply(hls);
  assert.equal(hls.targetLatency, 10);
});

test("what is not live is left alone", () => {
  const hls = player();
  hls.latestLevelDetails.live = false;
  assert.equal(delayed(20).apply(hls), null);
  assert.equal(hls.targetLatency, 6);
});
