/** What was decided about this peer, as it happens, newest first. */

import type { LinkStats } from "runnel";
import { html } from "../dom";
import { clock } from "../format";
import type { DecisionName } from "../play/session";
import { inWords } from "./wording";

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
  private waiting: { name: DecisionName; detail: unknown; at: Date }[] = [];

  constructor(private readonly list: HTMLElement) {}

  /** Notes an event; it is shown with the next snapshot, which knows the links it speaks of. */
  add(name: DecisionName, detail: unknown): void {
    this.waiting.push({ name, detail, at: new Date() });
  }

  show(links: LinkStats[]): void {
    for (const { name, detail, at } of this.waiting) this.prepend(name, inWords(name, detail, links), at);
    this.waiting = [];
    while (this.list.childElementCount > SHOWN) this.list.lastElementChild?.remove();
  }

  private prepend(name: DecisionName, words: string, at: Date): void {
    const time = html("time", { datetime: at.toISOString() }, clock(at));
    const title = html("b", {}, TITLES[name]);
    this.list.prepend(html("li", { class: name }, time, title, html("span", {}, words)));
  }
}
