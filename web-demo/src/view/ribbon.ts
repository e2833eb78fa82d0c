/** One line under the picture: all bytes so far, coloured by where they came from. */

import type { RunnelStats } from "runnel";
import { percent } from "../format";
import { SOURCES } from "../observe/sources";

export function drawRibbon(ribbon: HTMLElement, { bytes }: RunnelStats): void {
  const all = bytes.peer + bytes.waypoint + bytes.cdn;
  for (const source of SOURCES) {
    const part = ribbon.querySelector<HTMLElement>(`.${source}`);
    if (part) part.style.flexGrow = `${all > 0 ? bytes[source] / all : 0}`;
  }
  if (all > 0) ribbon.setAttribute("aria-label", describe(bytes, all));
}

function describe(bytes: RunnelStats["bytes"], all: number): string {
  const [peer, waypoint, cdn] = SOURCES.map((source) => percent(bytes[source], all));
  return `Since the start: ${peer} from peers, ${waypoint} from the waypoint, ${cdn} from the CDN`;
}
