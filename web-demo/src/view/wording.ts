/** The peer's events in words. Details differ by event; the links say who somebody is. */

import type { LinkStats } from "runnel";
import { shortId } from "../format";
import type { DecisionName } from "../play/session";
import { sentence } from "./verdict";

/** Close codes of docs/PROTOCOL.md; -1 is a connection that broke. */
const ENDS: Record<number, string> = {
  [-1]: "the connection broke or could not be made",
  0: "not needed any more",
  1: "the ticket was not accepted",
  2: "a message made no sense",
  3: "a chunk did not verify",
  4: "another link to the same peer stays",
  5: "it has no room",
  6: "it is shutting down",
  7: "nothing came for too long",
  8: "consent or ticket was withdrawn",
};

/** One event as a sentence or two; empty if there is nothing to say. */
export function inWords(name: DecisionName, detail: unknown, links: LinkStats[]): string {
  const { text, why, peer, code, offence } = fields(detail);
  const who = typeof peer === "string" ? called(peer, links) : "A peer";
  switch (name) {
    case "assigned":
      return [plan(links), sentence(asText(why))].filter(Boolean).join(" ") || "No parents.";
    case "linkup":
      return `${who}. ${sentence(links.find((link) => link.peer === peer)?.why ?? "")}`;
    case "linkdown":
      return `${who}: ${ENDS[Number(code)] ?? `code ${String(code)}`}.`;
    case "struck":
      return `${who} ${asText(offence) || "broke the rules"}. It is let go.`;
    case "log":
      return sentence(asText(text));
  }
}

function called(peer: string, links: LinkStats[]): string {
  const source = links.find((link) => link.peer === peer)?.source;
  return source === "waypoint" ? `Waypoint ${shortId(peer)}` : `Peer ${shortId(peer)}`;
}

/** Who pushes, and who only stands by. */
function plan(links: LinkStats[]): string {
  const parents = links.filter((link) => link.source !== "child");
  const names = (some: LinkStats[]) => some.map((link) => shortId(link.peer)).join(" and ");
  const pushing = parents.filter((link) => link.substreams.length > 0);
  const waiting = parents.filter((link) => link.substreams.length === 0);
  const parts = [
    pushing.length > 0 ? `Fed by ${names(pushing)}.` : "",
    waiting.length > 0 ? `Standing by: ${names(waiting)}.` : "",
  ];
  return parts.filter(Boolean).join(" ");
}

function fields(detail: unknown): Record<string, unknown> {
  return typeof detail === "object" && detail !== null ? (detail as Record<string, unknown>) : {};
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}
