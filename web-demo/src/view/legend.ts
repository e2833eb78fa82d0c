/** The chart's legend, which is also its text: each source's rate, total and share. */

import type { RunnelStats } from "runnel";
import { byId, html, setText } from "../dom";
import { bytes, percent, rate } from "../format";
import { SOURCES, type BySource, type Source } from "../observe/sources";

const ROWS: Record<Source, { name: string; means: string }> = {
  peer: { name: "Peers", means: "other viewers’ agents" },
  waypoint: { name: "Waypoint", means: "the operator’s own relay" },
  cdn: { name: "CDN", means: "the origin, paid by the byte" },
};

export class Legend {
  private readonly cells = new Map<Source, Record<"now" | "total" | "share", HTMLElement>>();
  private readonly overhead = byId("overhead");

  constructor(table: HTMLElement) {
    const head = html("tr", {}, ...["Source", "Now", "In all", "Share"].map(columnHead));
    table.append(html("thead", {}, head), html("tbody", {}, ...SOURCES.map((source) => this.row(source))));
  }

  update({ bytes: total }: RunnelStats, rates: BySource): void {
    const all = total.peer + total.waypoint + total.cdn;
    for (const source of SOURCES) {
      const cells = this.cells.get(source);
      if (!cells) continue;
      setText(cells.now, rate(rates[source]));
      setText(cells.total, bytes(total[source]));
      setText(cells.share, percent(total[source], all));
    }
    setText(this.overhead, overheadWords(total));
  }

  private row(source: Source): HTMLElement {
    const { name, means } = ROWS[source];
    const cells = { now: html("td"), total: html("td"), share: html("td", { class: "share" }) };
    this.cells.set(source, cells);
    const title = html("th", { scope: "row" }, html("i", { class: `swatch ${source}` }), name);
    title.append(html("small", {}, means));
    return html("tr", {}, title, cells.now, cells.total, cells.share);
  }
}

function columnHead(name: string): HTMLElement {
  return html("th", { scope: "col" }, name);
}

function overheadWords({ uploaded, wasted, control }: RunnelStats["bytes"]): string {
  return `Passed on ${bytes(uploaded)} · of no use ${bytes(wasted)} · signalling ${bytes(control)}`;
}
