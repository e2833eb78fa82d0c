/** What was decided about this peer, as it happens, newest first. */

import type { LinkStats } from "runnel";
import { html } from "../dom";
import { clock } from "../format";
import type { DecisionName } from "../play/session";
import { inWords } from "./wording";

/** Entries kept on the page. */
const SHOWN = 80;

/**
 * How long an event waits for a snapshot that knows the links it speaks of, in milliseconds: Worker
 * and page each take theirs once a second.
 */
const RIPE_MS = 2_000;

const TITLES: Record<DecisionName, string> = {
  assigned: "Assigned",
  linkup: "Linked",
  linkdown: "Link ended",
  struck: "Caught",
  log: "Note",
};

interface Noted {
  name: DecisionName;
  detail: unknown;
  at: Date;
}

export class Decisions {
  private waiting: Noted[] = [];

  constructor(private readonly list: HTMLElement) {}

  /** Notes an event, to be shown once its links are known. */
  add(name: DecisionName, detail: unknown): void {
    this.waiting.push({ name, detail, at: new Date() });
  }

  show(links: LinkStats[]): void {
    const isRipe = ({ at }: Noted) => Date.now() - at.getTime() >= RIPE_MS;
    for (const { name, detail, at } of this.waiting.filter(isRipe))
      this.prepend(name, inWords(name, detail, links), at);
    this.waiting = this.waiting.filter((noted) => !isRipe(noted));
    while (this.list.childElementCount > SHOWN) this.list.lastElementChild?.remove();
  }

  private prepend(name: DecisionName, words: string, at: Date): void {
    const time = html("time", { datetime: at.toISOString() }, clock(at));
    const title = html("b", {}, TITLES[name]);
    this.list.prepend(html("li", { class: name }, time, title, html("span", {}, words)));
  }
}
