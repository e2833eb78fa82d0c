import assert from "node:assert/strict";
import { test } from "node:test";
import type Hls from "hls.js";
import type { Fragment, FragmentLoaderContext } from "hls.js";
import { dueIn, isUrgent, mediaText, trackOf, variantText, wantOf } from "../src/page/segment.js";

const playhead = { position: 10, buffered: 6, rate: 1 };

test("a rendition is known by its attributes as they stand in the playlist", () => {
  const attrs = { BANDWIDTH: "800000", RESOLUTION: "640x360", URI: "a.m3u8", "PATHWAY-ID": "x" };
  assert.deepEqual(variantText(attrs), {
    media: "",
    first: "800000",
    second: "640x360",
    third: "",
  });
  const media = { TYPE: "AUDIO", "GROUP-ID": "aac", NAME: "English", LANGUAGE: "en", URI: "b" };
  assert.deepEqual(mediaText(media), {
    media: "AUDIO",
    first: "aac",
    second: "English",
    third: "en",
  });
});

test("a media playlist that stands alone is a variant without attributes", () => {
  assert.deepEqual(variantText({}), { media: "", first: "", second: "", third: "" });
});

const main = (start: number) => ({ start, type: "main" }) as Fragment;
const audio = (start: number) => ({ start, type: "audio" }) as Fragment;

test("a segment is due when the playhead gets there", () => {
  assert.equal(dueIn(main(14), playhead), 4000);
  assert.equal(dueIn(main(14), { ...playhead, rate: 2 }), 2000);
});

test("a playhead that stands anywhere before the first frame makes nothing due later than the buffer", () => {
  assert.equal(dueIn(main(300), { position: 0, buffered: 2, rate: 1 }), 2000);
});

test("what is buffered and comes again in a better rendition leaves the next segment half of the time", () => {
  assert.equal(dueIn(main(9), playhead), 3000);
  assert.equal(dueIn(main(9), { ...playhead, buffered: 0 }), 0);
});

test("sound that is missing at the playhead is due now, however much picture is buffered", () => {
  assert.equal(dueIn(audio(9), playhead), 0);
});

test("the first segment after a start or seek is urgent, the next is not", () => {
  assert.equal(isUrgent({ position: 0, buffered: 0, rate: 1 }), true);
  assert.equal(isUrgent(playhead), false);
});

const level = {
  attrs: { BANDWIDTH: "1" },
  bitrate: 1,
  height: 360,
  details: { url: "https://cdn/360.m3u8", live: true },
};
const hls = { levels: [level], audioTracks: [] } as unknown as Hls;

function context(frag: object, more: object = {}): FragmentLoaderContext {
  const whole = { type: "main", level: 0, sn: 7, baseurl: "https://cdn/360.m3u8", ...frag };
  return { frag: whole, part: null, url: "https://cdn/7.ts?CMCD=x", ...more } as never;
}

test("init segments, parts, subtitles and I-frame playlists are the origin's alone", () => {
  assert.equal(trackOf(hls, context({ sn: "initSegment" })), null);
  assert.equal(trackOf(hls, context({}, { part: {} })), null);
  assert.equal(trackOf(hls, context({ type: "subtitle" })), null);
  assert.equal(trackOf(hls, context({ baseurl: "https://cdn/iframes.m3u8" })), null);
  assert.equal(trackOf(hls, context({}))?.label, "360p");
});

test("a want names the fragment's own URL and an exclusive byte range", () => {
  const frag = {
    url: "https://cdn/7.ts",
    start: 14,
    duration: 2,
    byteRangeStartOffset: 100,
    byteRangeEndOffset: 350,
  };
  const segment = context(frag);
  const track = trackOf(hls, segment);
  assert.ok(track);
  const want = wantOf(3, segment, track, playhead, 40, 2000);
  assert.equal(want.url, "https://cdn/7.ts");
  assert.deepEqual([want.rangeStart, want.rangeEnd], [100, 350]);
  assert.deepEqual([want.dueIn, want.duration, want.live, want.urgent], [4000, 2000, true, false]);
  assert.deepEqual([want.cdnTook, want.mayWait], [40, 0]);
});

test("a first want is due when the site's patience ends", () => {
  const segment = context({ url: "https://cdn/7.ts", start: 14, duration: 2 });
  const track = trackOf(hls, segment);
  assert.ok(track);
  const dry = { position: 0, buffered: 0, rate: 1 };
  const want = wantOf(3, segment, track, dry, 40, 2000);
  assert.deepEqual([want.urgent, want.mayWait, want.dueIn], [true, 2000, 2000]);
});
