/** The few numbers that say how playback is. */

import type { RunnelStats } from "runnel";
import { html, setText } from "../dom";
import { bytes, percent, seconds } from "../format";
import { played, sum } from "../observe/sources";

export interface Measured {
  stalls: number;
  startupMs: number | null;
}

const FIGURES = {
  offload: ["Offload", "Share of the video that peers brought, since the start"],
  spared: ["CDN spared", "Bytes that did not leave the CDN for this page"],
  latency: ["Behind live", "Seconds between the live edge and the picture"],
  buffer: ["Buffer", "Seconds of video that are already here"],
  stalls: ["Stalls", "Times that the picture waited for 100 ms or longer, without seeks"],
  startup: ["Start", "From opening this page to the first moving picture"],
} as const;
type Figure = keyof typeof FIGURES;

export class Figures {
  private readonly values = new Map<Figure, HTMLElement>();

  constructor(list: HTMLElement) {
    for (const [figure, [name, means]] of Object.entries(FIGURES)) {
      const value = html("dd", {}, "–");
      this.values.set(figure as Figure, value);
      list.append(html("div", { class: figure, title: means }, html("dt", {}, name), value));
    }
  }

  update(stats: RunnelStats, measured: Measured): void {
    const given = played(stats);
    this.set("offload", percent(given.peer, sum(given)));
    this.set("spared", bytes(given.peer + given.waypoint));
    this.set("latency", stats.latencySeconds === null ? "–" : seconds(stats.latencySeconds));
    this.set("buffer", seconds(stats.buffer.seconds));
    this.set("stalls", `${measured.stalls}`);
    this.set("startup", measured.startupMs === null ? "–" : seconds(measured.startupMs / 1_000));
  }

  private set(figure: Figure, text: string): void {
    const value = this.values.get(figure);
    if (value) setText(value, text);
  }
}
