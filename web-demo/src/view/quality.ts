/** The choice of rendition: the player's own, or the viewer's. */

import Hls, { type Level } from "hls.js";
import { html, setText } from "../dom";

const AUTO = "-1";

/** Fills the selector for `hls` and keeps it true. Returns what undoes that. */
export function offerQualities(hls: Hls, select: HTMLSelectElement): () => void {
  const auto = html("option", { value: AUTO }, "Auto");
  const fill = () => {
    const levels = hls.levels.map((level, index) => html("option", { value: `${index}` }, name(level)));
    select.replaceChildren(auto, ...levels.reverse());
    select.disabled = levels.length < 2;
  };
  const tell = () => {
    const level = hls.autoLevelEnabled ? hls.levels[hls.currentLevel] : undefined;
    setText(auto, level && hls.levels.length > 1 ? `Auto (${name(level)})` : "Auto");
  };
  const choose = () => (hls.nextLevel = Number(select.value));
  hls.on(Hls.Events.MANIFEST_PARSED, fill);
  hls.on(Hls.Events.LEVEL_SWITCHED, tell);
  select.addEventListener("change", choose);
  return () => select.removeEventListener("change", choose);
}

function name({ height, bitrate }: Level): string {
  return height > 0 ? `${height}p` : `${Math.round(bitrate / 1_000)} kbit/s`;
}
