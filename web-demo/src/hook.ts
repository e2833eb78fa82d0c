/**
 * What end-to-end tests and the viewers' bench read: `window.__runnel`. The same for plain
 * playback, so that both can be compared.
 */

import type Hls from "hls.js";
import type { RunnelStats, SegmentDetail } from "runnel";
import type { Stall } from "./observe/stalls";
import type { Tap } from "./observe/taps";

export interface Hook {
  /** The player; `null` before a stream is chosen. */
  hls: Hls | null;
  /** The newest snapshot, taken now. */
  readonly stats: RunnelStats | null;
  /** Where each segment came from, in bytes by source. */
  segments: SegmentDetail[];
  /** A SHA-256 of each segment that hls.js got; empty without `?tap=1`. */
  taps: Tap[];
  /** `waiting` for 100 ms or longer after the first play; seeks left out. */
  readonly stalls: Stall[];
  readonly stallCount: number;
  /** From the navigation's start to the first frame that moves; `null` until then. */
  startupMs: number | null;
  /** One a second while live: when (`performance.now()`), and seconds behind the live edge. */
  latency: { at: number; seconds: number }[];
}

declare global {
  interface Window {
    __runnel: Hook;
  }
}

/** Entries kept of what grows with time: hours of it. */
const REMEMBERED = 20_000;

/** Adds to a list of the hook and keeps it bounded. */
export function remember<T>(list: T[], entry: T): void {
  list.push(entry);
  if (list.length > REMEMBERED) list.shift();
}
