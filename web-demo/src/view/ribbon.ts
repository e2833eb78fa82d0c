/** One line under the picture: all bytes so far, coloured by where they came from. */

import type { RunnelStats } from "runnel";
import { percent } from "../format";
import { played, SOURCES, sum, type BySource } from "../observe/sources";

export function drawRibbon(ribbon: HTMLElement, stats: RunnelStats): void {
  const bytes = played(stats);
  const all = sum(bytes);
  for (const source of SOURCES) {
    const part = ribbon.querySelector<HTMLElement>(`.${source}`);
    if (part) part.style.flexGrow = `${all > 0 ? bytes[source] / all : 0}`;
  }
  if (all > 0) ribbon.setAttribute("aria-label", describe(bytes, all));
}

function describe(bytes: BySource, all: number): string {
  const [peer, waypoint, cdn] = SOURCES.map((source) => percent(bytes[source], all));
  return `Since the start: ${peer} from peers, ${waypoint} from the waypoint, ${cdn} from the CDN`;
}
