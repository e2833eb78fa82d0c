/** All panels around the player, fed by one snapshot a second. */

import type Hls from "hls.js";
import type { RunnelStats } from "runnel";
import { byId, setText } from "../dom";
import { Sources } from "../observe/sources";
import { Chart } from "./chart";
import { Figures, type Measured } from "./figures";
import { Legend } from "./legend";
import { Links } from "./links";
import { drawRibbon } from "./ribbon";
import { Edge } from "./edge";
import { Self } from "./self";
import { Sketch } from "./sketch";
import { judge } from "./verdict";

/** What "now" means in the sentence under the picture. */
const LATELY_MS = 15_000;

export class Panels {
  private sources = new Sources();
  private readonly chart = new Chart(byId("chart"));
  private readonly legend = new Legend(byId("legend"));
  private readonly figures = new Figures(byId("figures"));
  private readonly sketch = new Sketch(byId("sketch"), byId("way-note"));
  private readonly self = new Self(byId("self"), byId("self-id"));
  private readonly links = new Links(byId("links"));
  private readonly edge = new Edge(byId("edge"), byId("video"));

  /** Another stream begins at zero. */
  restart(): void {
    this.sources = new Sources();
  }

  update(hls: Hls, stats: RunnelStats, measured: Measured): void {
    this.sources.note(stats);
    this.chart.update(this.sources, stats.at);
    this.legend.update(stats, this.sources.rates(stats.at));
    this.figures.update(stats, measured);
    this.sketch.update(stats, this.sources);
    this.self.update(stats);
    this.links.update(stats, this.sources);
    this.edge.update(hls, stats);
    drawRibbon(byId("ribbon"), stats);
    this.judge(stats);
  }

  private judge(stats: RunnelStats): void {
    const { tone, title, detail } = judge(stats, this.sources.recent(stats.at, LATELY_MS));
    const verdict = byId("verdict");
    // Figures change every second; only another kind of news is worth interrupting a reader.
    if (verdict.dataset["tone"] !== tone) setText(byId("announced"), `${title}. ${detail}`);
    verdict.dataset["tone"] = tone;
    for (const [tag, text] of [["h1", title], ["p", detail]] as const) {
      const element = verdict.querySelector(tag);
      if (element) setText(element, text);
    }
  }
}
