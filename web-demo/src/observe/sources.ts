/** Where the bytes came from, over time: the memory behind chart, ribbon and sketch. */

import type { RunnelStats } from "runnel";
import { Series } from "./series";

/** The three sources, cheapest for the operator first; also the order in which they are drawn. */
export const SOURCES = ["peer", "waypoint", "cdn"] as const;
export type Source = (typeof SOURCES)[number];
export type BySource = Record<Source, number>;

/** Segments arrive in bursts of two seconds or more; a shorter mean would show the bursts. */
const MEAN_MS = 4_000;

export class Sources {
  private readonly series = { peer: new Series(), waypoint: new Series(), cdn: new Series() };
  private readonly links = new Map<string, { received: Series; sent: Series }>();

  note(stats: RunnelStats): void {
    for (const source of SOURCES) this.series[source].note(stats.at, stats.bytes[source]);
    for (const link of stats.links) {
      const known = this.links.get(link.peer) ?? { received: new Series(), sent: new Series() };
      known.received.note(stats.at, link.received);
      known.sent.note(stats.at, link.sent);
      this.links.set(link.peer, known);
    }
    this.forgetAllBut(new Set(stats.links.map((link) => link.peer)));
  }

  /** Bytes per second from each source around `at`. */
  rates(at: number): BySource {
    return this.each((series) => series.rate(at, MEAN_MS));
  }

  /** Bytes from each source in the `windowMs` before `at`. */
  recent(at: number, windowMs: number): BySource {
    return this.each((series) => series.growth(at, windowMs));
  }

  /** Bytes per second over one link, in the direction that carries more. */
  linkRate(peer: string, at: number): number {
    const link = this.links.get(peer);
    if (!link) return 0;
    return Math.max(link.received.rate(at, MEAN_MS), link.sent.rate(at, MEAN_MS));
  }

  private each(read: (series: Series) => number): BySource {
    const { peer, waypoint, cdn } = this.series;
    return { peer: read(peer), waypoint: read(waypoint), cdn: read(cdn) };
  }

  private forgetAllBut(present: Set<string>): void {
    for (const peer of this.links.keys()) if (!present.has(peer)) this.links.delete(peer);
  }
}

/** What the player was given, by source. In shadow mode peers' bytes are received beside it. */
export function played({ mode, bytes }: RunnelStats): BySource {
  if (mode === "shadow") return { peer: 0, waypoint: 0, cdn: bytes.cdn };
  return { peer: bytes.peer, waypoint: bytes.waypoint, cdn: bytes.cdn };
}

/** All three together. */
export function sum(by: BySource): number {
  return by.peer + by.waypoint + by.cdn;
}
