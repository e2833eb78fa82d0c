/** Where the sketch's nodes stand and which way its streams run. Pure: from links to places. */

import type { LinkStats } from "runnel";
import { shortId } from "../format";

export type Kind = "cdn" | "waypoint" | "peer" | "child" | "you";

export interface Place {
  id: string;
  kind: Kind;
  name: string;
  x: number;
  y: number;
}

export interface Stream {
  id: string;
  kind: Kind;
  /** An SVG path in the direction of the bytes. */
  path: string;
  /** A link that is still being made. */
  pending: boolean;
}

export interface Sketched {
  places: Place[];
  streams: Stream[];
  /** What happens further up and cannot be seen from here. */
  upstream: string[];
  /** Links for which there is no room. */
  hidden: number;
}

/** More would not be told apart on a phone. */
const COLUMN = 4;

export function layOut(links: LinkStats[], width: number, height: number): Sketched {
  const at = (x: number, y: number) => ({ x: Math.round(x * width), y: Math.round(y * height) });
  const you: Place = { id: "you", kind: "you", name: "you", ...at(0.89, 0.5) };
  const alone = links.length === 0;
  const cdn: Place = { id: "cdn", kind: "cdn", name: "CDN", ...at(0.1, alone ? 0.5 : 0.2) };
  const shown = [...pick(links, "peer"), ...pick(links, "child")].slice(0, COLUMN);
  const waypoints = pick(links, "waypoint").slice(0, 1);
  const agents = shown.map((link, index) => place(link, at(0.57, rung(index, shown.length))));
  const relays = waypoints.map((link) => place(link, at(0.27, 0.72)));
  return {
    places: [cdn, ...relays, ...agents, you],
    streams: [
      { id: "cdn", kind: "cdn", path: alone ? across(cdn, you) : over(cdn, you, -0.06 * height), pending: false },
      ...relays.map((relay, index) => toYou(waypoints[index], relay, you, height)),
      ...agents.map((agent, index) => toYou(shown[index], agent, you, height)),
    ],
    upstream: further(cdn, relays, agents),
    hidden: links.length - shown.length - waypoints.length,
  };
}

function pick(links: LinkStats[], source: LinkStats["source"]): LinkStats[] {
  return links.filter((link) => link.source === source);
}

/** Evenly between the arcs that pass above and below. */
function rung(index: number, count: number): number {
  const [highest, lowest] = [0.24, 0.72];
  if (count === 1) return 0.47;
  return highest + ((lowest - highest) * index) / (count - 1);
}

function place(link: LinkStats, where: { x: number; y: number }): Place {
  const name = link.source === "waypoint" ? "waypoint" : shortId(link.peer);
  return { id: link.peer, kind: link.source, name, ...where };
}

function toYou(link: LinkStats | undefined, from: Place, you: Place, height: number): Stream {
  const path =
    from.kind === "waypoint"
      ? over(from, you, 1.05 * height)
      : from.kind === "child"
        ? across(you, from)
        : across(from, you);
  return { id: from.id, kind: from.kind, path, pending: link?.state !== "up" };
}

/** The CDN feeds the waypoint and the waypoint feeds agents; who else does is not known here. */
function further(cdn: Place, relays: Place[], agents: Place[]): string[] {
  const parents = agents.filter((agent) => agent.kind === "peer");
  return relays.flatMap((relay) => [
    across(cdn, relay),
    ...parents.map((parent) => across(relay, parent)),
  ]);
}

/** A level start and a level end, as water goes. */
function across(from: Place, to: Place): string {
  const middle = (from.x + to.x) / 2;
  return `M${from.x},${from.y}C${middle},${from.y},${middle},${to.y},${to.x},${to.y}`;
}

/** An arc that keeps to the edge at `y`, clear of what stands between. */
function over(from: Place, to: Place, y: number): string {
  const [near, far] = [from.x + (to.x - from.x) * 0.25, from.x + (to.x - from.x) * 0.8];
  return `M${from.x},${from.y}C${near},${y},${far},${y},${to.x},${to.y}`;
}
