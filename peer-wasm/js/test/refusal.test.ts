import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "../src/page/refusal.js";

const screen = {} as HTMLMediaElement;

function player() {
  return {
    media: screen as HTMLMediaElement | null,
    loads: true,
    attachMedia(media: HTMLMediaElement) {
      this.media = media;
    },
    detachMedia() {
      this.media = null;
    },
    startLoad() {
      this.loads = true;
    },
    stopLoad() {
      this.loads = false;
    },
  };
}

test("playback ends, whatever the site tries, and comes back to the same screen", () => {
  const hls = player();
  const refusal = new Refusal();
  refusal.apply(hls);
  assert.deepEqual([hls.media, hls.loads], [screen, true]);
  refusal.ask(true);
  refusal.apply(hls);
  assert.deepEqual([hls.media, hls.loads], [null, false]);
  hls.attachMedia(screen);
  hls.startLoad();
  refusal.apply(hls);
  assert.deepEqual([hls.media, hls.loads], [null, false]);
  refusal.ask(false);
  refusal.apply(hls);
  assert.deepEqual([hls.media, hls.loads], [screen, true]);
});
