/** Every link of this peer: what it is, what it carries, and why it was chosen. */

import type { LinkStats, RunnelStats } from "runnel";
import { html } from "../dom";
import { bytes, rate, shortId } from "../format";
import type { Sources } from "../observe/sources";
import { sentence } from "./verdict";

const KINDS: Record<LinkStats["source"], string> = {
  peer: "Peer",
  waypoint: "Waypoint",
  child: "Receives from you",
};

/** What carries a link, in words. */
const WAYS: Record<NonNullable<LinkStats["transport"]>, string> = {
  webtransport: "reached as a website is (WebTransport)",
  webrtc: "reached as in a video call (WebRTC)",
};

export class Links {
  private shown = "";

  constructor(private readonly list: HTMLElement) {}

  update(stats: RunnelStats, sources: Sources): void {
    const speeds = stats.links.map((link) => sources.linkRate(link.peer, stats.at));
    const described = JSON.stringify([stats.links, speeds, stats.consent.peers, stats.coordinator]);
    if (described === this.shown) return;
    this.shown = described;
    const links = stats.links.map((link, index) => row(link, speeds[index] ?? 0));
    this.list.replaceChildren(...(links.length > 0 ? links : [html("p", { class: "empty" }, empty(stats))]));
  }
}

function empty({ consent, coordinator, mode }: RunnelStats): string {
  if (mode === "off") return "No links: this page plays plainly.";
  if (!consent.peers) return "No links: none is made before you allow it.";
  if (coordinator === "connecting") return "No links yet: asking the coordinator whom to call.";
  return "No links.";
}

function row(link: LinkStats, speed: number): HTMLElement {
  return html(
    "article",
    { class: `link ${link.source} ${link.state}` },
    html("i", { class: `swatch ${link.source}` }),
    html("h3", { title: link.peer }, KINDS[link.source], " ", html("code", {}, shortId(link.peer))),
    html("p", { class: "carried" }, carried(link, speed)),
    html("p", { class: "why" }, sentence(link.why) || "No reason was given."),
    html("p", { class: "facts" }, facts(link)),
  );
}

function carried({ state, received, sent }: LinkStats, speed: number): string {
  if (state === "connecting") return "connecting…";
  const parts = [rate(speed)];
  if (received > 0 || sent === 0) parts.push(`${bytes(received)} in`);
  if (sent > 0) parts.push(`${bytes(sent)} out`);
  return parts.join(" · ");
}

function facts({ substreams, rttMs, source, transport }: LinkStats): string {
  const way = transport === null ? [] : [WAYS[transport]];
  const round = rttMs === null ? way : [`${Math.round(rttMs)} ms away`, ...way];
  if (source === "child") return round.join(" · ");
  const pushed =
    substreams.length === 0
      ? "standby or on request"
      : `substream${substreams.length > 1 ? "s" : ""} ${substreams.join(", ")}`;
  return [pushed, ...round].join(" · ");
}
