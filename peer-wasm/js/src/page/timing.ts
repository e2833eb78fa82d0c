/**
 * What hls.js' bandwidth estimator is told about a segment that it did not load itself.
 *
 * The estimator takes every loading time for transfer time. Time spent waiting for a peer that
 * has not got the bytes yet is none, and a segment that lay here already says nothing: so the
 * timing is made up from the measured speed of this machine's link.
 */

/** `stats.loading` of a loader, in milliseconds on the scale of `performance.now()`. */
export interface Timing {
  start: number;
  first: number;
  end: number;
}

/**
 * Timing of a load that has not begun. hls.js abandons what has been loading for half of its
 * duration, so while peers are waited for, loading has always begun only now.
 */
export function waiting(now: () => number): Timing {
  return {
    get start() {
      return now();
    },
    first: 0,
    end: 0,
  };
}

/** Timing of a load that begins now. */
export function begun(now: number): Timing {
  return { start: now, first: 0, end: 0 };
}

/**
 * Timing of `bytes` that would have come at `bps`, ending now, after the usual time to the first
 * byte, `ttfb` in milliseconds: an estimator that knows both learns nothing false.
 */
export function delivered(bytes: number, bps: number, ttfb: number, now: number): Timing {
  const first = now - (bytes * 8000) / Math.max(bps, 1);
  return { start: first - ttfb, first, end: now };
}

/**
 * Bits per second at which the CDN sent, where it sent at least half of a segment: `fromCdn` of its
 * `bytes` in `took` milliseconds, from the question on. `null` where peers brought most of it: a
 * small rest says little, and the link's own speed counts.
 *
 * Without this a player whom peers fed at the link's speed would stay with its rendition while a
 * slow CDN is all that is left to it.
 */
export function cdnSpeed(
  fromCdn: number,
  bytes: number,
  took: number,
  ttfb: number,
): number | null {
  if (fromCdn * 2 < bytes) return null;
  return (fromCdn * 8000) / Math.max(took - ttfb, 1);
}

/** Share of an estimated CDN time that is added for the unforeseen. */
const MARGIN = 1.5;
/** Added to every estimate, in milliseconds: scheduling, and one slow round trip. */
const SLACK = 300;

/** Milliseconds that a segment of `bits` probably takes from the CDN, on the safe side. */
export function cdnTime(bits: number, bps: number, ttfb: number): number {
  return (ttfb + (bits * 1000) / Math.max(bps, 1)) * MARGIN + SLACK;
}
