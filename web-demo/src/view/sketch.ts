/** The way the video takes to this page, drawn: sources, streams as wide as what they carry, you. */

import type { RunnelStats } from "runnel";
import { setText, svg } from "../dom";
import { rate } from "../format";
import type { Sources } from "../observe/sources";
import { layOut, type Kind, type Place, type Sketched, type Stream } from "./layout";

/** Narrowest and widest stream, in pixels. */
const THIN = 2;
const WIDE = 11;

/** What each node looks like, around its own centre. Shapes differ, not only colours. */
const SHAPES: Record<Kind, string> = {
  cdn: "M-15-13h30v26h-30ZM-15-4.3h30M-15 4.3h30",
  waypoint: "M0-17 17 0 0 17-17 0Z",
  peer: "M15 0A15 15 0 1 1 15-.01Z",
  child: "M15 0A15 15 0 1 1 15-.01Z",
  you: "M19 0A19 19 0 1 1 19-.01ZM-5-8 8 0-5 8Z",
};

/** Where name and rate stand: clear of the streams, which leave to the right, above or below. */
const LABELS: Record<Kind, { x: number; name: number; speed: number; anchor: string }> = {
  cdn: { x: 0, name: 31, speed: 45, anchor: "middle" },
  waypoint: { x: 0, name: -38, speed: -24, anchor: "middle" },
  peer: { x: -24, name: -2, speed: 12, anchor: "end" },
  child: { x: -24, name: -2, speed: 12, anchor: "end" },
  you: { x: 0, name: 36, speed: 50, anchor: "middle" },
};

/** The root's font size, in pixels, at which shapes and labels have the sizes given here. */
const DRAWN_FOR = 16;

interface DrawnStream {
  bed: SVGPathElement;
  water: SVGPathElement;
}

export class Sketch {
  private readonly root = svg("svg", { role: "img", "aria-label": "Not playing yet" });
  private readonly streams = new Map<string, DrawnStream>();
  private readonly rates = new Map<string, SVGTextElement>();
  private drawn = "";

  constructor(
    private readonly holder: HTMLElement,
    private readonly note: HTMLElement,
  ) {
    holder.append(this.root);
  }

  update(stats: RunnelStats, sources: Sources): void {
    const { clientWidth: width, clientHeight: height } = this.holder;
    const sketched = layOut(stats.links, width, height);
    const plan = JSON.stringify(sketched);
    if (plan !== this.drawn) this.draw(sketched, width, height);
    this.drawn = plan;
    const cdn = sources.rates(stats.at).cdn;
    const now = new Map(stats.links.map((link) => [link.peer, sources.linkRate(link.peer, stats.at)]));
    this.flow(now.set("cdn", cdn));
    this.root.setAttribute("aria-label", describe(sketched, now));
  }

  private draw({ places, streams, upstream, hidden }: Sketched, width: number, height: number): void {
    this.root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.streams.clear();
    this.rates.clear();
    this.root.replaceChildren(
      ...upstream.map((d) => svg("path", { d, class: "upstream" })),
      ...streams.map((stream) => this.stream(stream)),
      ...places.map((place) => this.node(place)),
    );
    const dotted = upstream.length > 0 ? "dotted: further up, not measured here" : "";
    setText(this.note, hidden > 0 ? `and ${hidden} more` : dotted);
  }

  private stream({ id, kind, path: d, pending }: Stream): SVGElement {
    const bed = svg("path", { d, class: "bed" });
    const water = svg("path", { d, class: "water" });
    this.streams.set(id, { bed, water });
    return svg("g", { class: `stream ${kind}${pending ? " pending" : ""}` }, bed, water);
  }

  private node({ id, kind, name, x, y }: Place): SVGElement {
    const { anchor, ...at } = LABELS[kind];
    const label = { x: at.x, "text-anchor": anchor };
    const speed = svg("text", { class: "speed", ...label, y: at.speed });
    this.rates.set(id, speed);
    const shape = svg("path", { d: SHAPES[kind] });
    const called = svg("text", { class: "name", ...label, y: at.name }, name);
    const transform = `translate(${x} ${y}) scale(${rootSize() / DRAWN_FOR})`;
    return svg("g", { class: `node ${kind}`, transform }, shape, called, speed);
  }

  private flow(now: Map<string, number>): void {
    const all = [...now.values()].reduce((total, part) => total + part, 0);
    for (const [id, { bed, water }] of this.streams) {
      const part = now.get(id) ?? 0;
      const width = part > 0 ? THIN + (WIDE - THIN) * Math.sqrt(part / all) : THIN;
      bed.style.strokeWidth = `${width}px`;
      water.classList.toggle("runs", part > 0);
    }
    for (const [id, text] of this.rates) setText(text, id === "you" ? "" : rate(now.get(id) ?? 0));
  }
}

function rootSize(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}

function describe({ places }: Sketched, now: Map<string, number>): string {
  const sources = places.filter((place) => place.kind !== "you");
  const parts = sources.map(({ id, kind, name }) => {
    const spoken = kind === "peer" ? `agent ${name}` : kind === "child" ? `to agent ${name}` : name;
    return `${spoken}, ${rate(now.get(id) ?? 0)}`;
  });
  return `Sources: ${parts.join("; ")}`;
}
