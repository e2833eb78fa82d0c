/** The coordinator's word on how much later than by the site's settings a live picture is shown. */

import type Hls from "hls.js";

/** The part of a player that it concerns. */
type Player = Pick<Hls, "targetLatency" | "liveSyncPosition" | "maxLatency"> & {
  config: Partial<Pick<Hls["config"], "liveSyncDuration" | "liveMaxLatencyDuration">>;
  latestLevelDetails: { live: boolean; targetduration: number; totalduration: number } | null;
  media: Pick<HTMLMediaElement, "currentTime" | "paused" | "seeking"> | null;
};

/**
 * Raises hls.js' own target latency above what the site set, and takes the playhead back to it. The
 * oldest segments of a playlist may vanish before they are fetched: a short one limits the delay.
 */
export class LiveDelay {
  #asked = 0;
  /** The site's target, and what was set here in its place. */
  #theirs = 0;
  #ours: number | null = null;
  #theirMost: number | undefined;

  /** What was asked for last, in seconds. */
  get asked(): number {
    return this.#asked;
  }

  /** Seconds; 0 where the site's own settings stand. */
  ask(seconds: number): void {
    this.#asked = seconds;
  }

  /**
   * Call it now and then: playlists grow, and viewers seek. Returns the seconds that are given of
   * those that are asked for; `null` where nothing is.
   */
  apply(player: Player): number | null {
    const details = player.latestLevelDetails;
    const present = player.targetLatency;
    if (!details?.live || present === null) return null;
    if (this.#asked === 0) return this.#restore(player);
    if (this.#ours === null) this.#theirMost = player.config.liveMaxLatencyDuration;
    if (player.config.liveSyncDuration !== this.#ours) this.#theirs = present;
    const longest = details.totalduration - 2 * details.targetduration;
    const target = Math.max(this.#theirs, Math.min(this.#theirs + this.#asked, longest));
    if (target !== this.#ours) this.#set(player, target);
    goBack(player, details.targetduration);
    return target - this.#theirs;
  }

  #set(player: Player, target: number): void {
    const before = this.#ours ?? this.#theirs;
    const most = player.maxLatency;
    if (most > 0 && Number.isFinite(most)) player.config.liveMaxLatencyDuration = most + target - before;
    player.targetLatency = target;
    this.#ours = target;
  }

  #restore(player: Player): null {
    if (this.#ours === null) return null;
    if (player.config.liveSyncDuration === this.#ours) player.targetLatency = this.#theirs;
    if (this.#theirMost === undefined) delete player.config.liveMaxLatencyDuration;
    else player.config.liveMaxLatencyDuration = this.#theirMost;
    this.#ours = null;
    return null;
  }
}

/** Whoever is ahead of the target by more than a segment is taken back to it. */
function goBack(player: Player, tolerance: number): void {
  const { media, liveSyncPosition } = player;
  if (!media || media.paused || media.seeking || liveSyncPosition === null) return;
  if (media.currentTime - liveSyncPosition > tolerance) media.currentTime = liveSyncPosition;
}
