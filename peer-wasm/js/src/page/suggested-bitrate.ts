/** The coordinator's word on which renditions a player may choose by itself. */

import type Hls from "hls.js";

/** The part of a player that it concerns. */
type Player = Pick<Hls, "autoLevelCapping"> & {
  levels: readonly { bitrate: number }[];
};

/** hls.js: the player may choose any level. */
const ANY = -1;

/**
 * Lowers `autoLevelCapping` where the audience is larger than uplinks and CDN carry, beside the
 * site and hls.js' own `capLevelToPlayerSize`, which use the same property: the lowest counts, and
 * theirs comes back. A level that the viewer chose by hand stays.
 */
export class SuggestedBitrate {
  #most: number | null = null;
  /** What others set, and what was set here in its place. */
  #theirs = ANY;
  #ours: number | null = null;

  /** Bits per second; `null` where the player may choose any. */
  ask(most: number | null): void {
    this.#most = most;
  }

  /** Call it now and then: others set the cap as well. */
  apply(player: Player): void {
    const present = player.autoLevelCapping;
    if (present !== this.#ours) this.#theirs = present;
    this.#ours = lower(this.#theirs, this.#level(player.levels));
    if (this.#ours !== present) player.autoLevelCapping = this.#ours;
  }

  /** The best level within what is asked; the smallest one if there is none. */
  #level(levels: Player["levels"]): number {
    const most = this.#most;
    if (most === null || levels.length === 0) return ANY;
    return Math.max(0, levels.findLastIndex((level) => level.bitrate <= most));
  }
}

function lower(one: number, other: number): number {
  if (one === ANY || other === ANY) return Math.max(one, other);
  return Math.min(one, other);
}
