import assert from "node:assert/strict";
import { test } from "node:test";
import { SuggestedBitrate } from "../src/page/suggested-bitrate.js";

const levels = [500_000, 1_000_000, 4_000_000].map((bitrate) => ({ bitrate }));

function player(autoLevelCapping = -1) {
  return { levels, autoLevelCapping };
}

test("the player chooses the best level within what it is asked, and any once that is over", () => {
  const hls = player();
  const suggested = new SuggestedBitrate();
  for (const [most, cap] of [[1_500_000, 1], [1_000_000, 1], [100_000, 0], [9_000_000, 2], [null, -1]] as const) {
    suggested.ask(most);
    suggested.apply(hls);
    assert.equal(hls.autoLevelCapping, cap, String(most));
  }
});

test("a lower cap of the site stays, and a higher one comes back", () => {
  const suggested = new SuggestedBitrate();
  const small = player(0);
  suggested.ask(1_000_000);
  suggested.apply(small);
  assert.equal(small.autoLevelCapping, 0);

  const wide = player(2);
  const other = new SuggestedBitrate();
  other.ask(1_000_000);
  other.apply(wide);
  assert.equal(wide.autoLevelCapping, 1);
  other.ask(null);
  other.apply(wide);
  assert.equal(wide.autoLevelCapping, 2);
});

test("what the site sets meanwhile is kept for later", () => {
  const hls = player();
  const suggested = new SuggestedBitrate();
  suggested.ask(1_000_000);
  suggested.apply(hls);
  hls.autoLevelCapping = 0;
  suggested.apply(hls);
  assert.equal(hls.autoLevelCapping, 0);
  suggested.ask(null);
  suggested.apply(hls);
  assert.equal(hls.autoLevelCapping, 0);
});
