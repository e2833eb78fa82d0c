/** What was decided about this peer, as it happens, newest first. */

import type { DecisionName } from "../play/session";
import { html } from "../dom";
import { clock, shortId } from "../format";

/** Entries kept on the page. */
const SHOWN = 80;

const TITLES: Record<DecisionName, string> = {
  assigned: "Assigned",
  linkup: "Linked",
  linkdown: "Link ended",
  struck: "Caught",
  log: "Note",
};

export class Decisions {
  constructor(private readonly list: HTMLElement) {}

  /** Adds what the peer reported. */
  add(name: DecisionName, detail: unknown): void {
    this.note(name, inWords(detail));
  }

  /** Adds the page's own sentence. */
  note(name: DecisionName, text: string): void {
    const now = new Date();
    const time = html("time", { datetime: now.toISOString() }, clock(now));
    const entry = html("li", { class: name }, time, html("b", {}, TITLES[name]), html("span", {}, text));
    this.list.prepend(entry);
    while (this.list.childElementCount > SHOWN) this.list.lastElementChild?.remove();
  }
}

/** Details differ by event; whatever they hold is shown in a readable order. */
function inWords(detail: unknown): string {
  if (typeof detail === "string") return detail;
  if (typeof detail !== "object" || detail === null) return "";
  const { text, why, reason, peer, epoch } = detail as Record<string, unknown>;
  const parts = [
    typeof peer === "string" ? shortId(peer) : "",
    typeof epoch === "number" ? `plan ${epoch}` : "",
    ...[why, reason, text].map((part) => (typeof part === "string" ? part : "")),
  ];
  return parts.filter(Boolean).join(" · ");
}
