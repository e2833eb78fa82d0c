/** A total that only grows, remembered for a while, so that rates can be read from it. */

/** Snapshots kept: one a second for the chart's minute, and some for its left edge. */
const KEPT = 80;
/** How far apart snapshots are, in milliseconds: the first one tells of a second gone by. */
const INTERVAL_MS = 1_000;

export class Series {
  private readonly points: { at: number; total: number }[] = [];

  /** Notes that the total was `total` at `at` (milliseconds of `performance.now()`). */
  note(at: number, total: number): void {
    if (this.points.length === 0) this.points.push({ at: at - INTERVAL_MS, total: 0 });
    this.points.push({ at, total });
    if (this.points.length > KEPT) this.points.shift();
  }

  /** Mean growth per second in the `windowMs` before `at`. */
  rate(at: number, windowMs: number): number {
    return Math.max(0, this.growth(at, windowMs) / (windowMs / 1_000));
  }

  /** Growth in the `windowMs` before `at`. */
  growth(at: number, windowMs: number): number {
    return this.total(at) - this.total(at - windowMs);
  }

  /** The total at `at`, between two snapshots on the straight line through them. */
  private total(at: number): number {
    const after = this.points.findIndex((point) => point.at >= at);
    if (after < 0) return this.points.at(-1)?.total ?? 0;
    const right = this.points[after];
    const left = this.points[after - 1];
    if (!right || !left) return right?.total ?? 0;
    const share = (at - left.at) / (right.at - left.at);
    return left.total + share * (right.total - left.total);
  }
}
