/** The last minute as a stacked stream: what each source delivered, second by second. */

import { prefersStillness, svg } from "../dom";
import { percent, rate } from "../format";
import { SOURCES, sum, type BySource, type Source, type Sources } from "../observe/sources";

const SECONDS = 60;
const STEP_MS = 1_000;
/** Room for the scale's words under and above the stream, in pixels. */
const MARGIN = { top: 18, bottom: 20 };

const NAMES: Record<Source, string> = { peer: "peers", waypoint: "waypoint", cdn: "CDN" };

interface Scale {
  width: number;
  height: number;
  /** Bytes per second at the upper edge. */
  top: number;
}

export class Chart {
  private readonly root = svg("svg", { role: "img", "aria-label": "No bytes yet" });
  private readonly grid = svg("g", { class: "grid" });
  private readonly flow = svg("g", { class: "flow" });
  private readonly areas = new Map<Source, SVGPathElement>();
  private latest: { sources: Sources; at: number } | null = null;

  constructor(private readonly holder: HTMLElement) {
    for (const source of SOURCES) {
      const area = svg("path", { class: `area ${source}` });
      this.areas.set(source, area);
      this.flow.append(area);
    }
    this.root.append(hatching(), this.grid, this.flow);
    holder.append(this.root);
    new ResizeObserver(() => this.draw()).observe(holder);
  }

  update(sources: Sources, at: number): void {
    this.latest = { sources, at };
    const scale = this.draw();
    if (scale && !prefersStillness()) this.slide(scale.width / (SECONDS - 1));
    this.root.setAttribute("aria-label", describe(sources.recent(at, SECONDS * 1_000)));
  }

  private draw(): Scale | null {
    const { clientWidth: width, clientHeight: height } = this.holder;
    if (!this.latest || width === 0) return null;
    const points = this.sample(this.latest.sources, this.latest.at);
    const scale = { width, height, top: upperEdge(points.map(sum)) };
    this.root.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.grid.replaceChildren(...gridLines(scale));
    let floor = points.map(() => 0);
    for (const source of SOURCES) {
      const ceiling = points.map((point, index) => (floor[index] ?? 0) + point[source]);
      this.areas.get(source)?.setAttribute("d", band(floor, ceiling, scale));
      floor = ceiling;
    }
    return scale;
  }

  /** One point a second, oldest first, and one more to the left that the sliding uncovers. */
  private sample(sources: Sources, at: number): BySource[] {
    return Array.from({ length: SECONDS + 1 }, (_, index) =>
      sources.rates(at - (SECONDS - index) * STEP_MS),
    );
  }

  /** From where the stream stood a second ago to where it stands. */
  private slide(step: number): void {
    const from = { transform: `translateX(${step}px)` };
    this.flow.animate([from, { transform: "none" }], { duration: STEP_MS, easing: "linear" });
  }
}

/** The start's burst at line speed would flatten all that follows, so it may leave the picture. */
function upperEdge(totals: number[]): number {
  const busy = totals.filter((total) => total > 0).sort((a, b) => a - b);
  const usual = busy[Math.floor(busy.length * 0.7)] ?? 0;
  const wanted = Math.min(busy.at(-1) ?? 0, usual * 2.2) * 8 * 1.1;
  return niceAbove(Math.max(wanted, 100_000)) / 8;
}

/** The next of 1, 2, 4, 6, 8 × 10ⁿ. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 4, 6, 8, 10].find((step) => step * power >= value) ?? 10;
  return factor * power;
}

function gridLines(scale: Scale): SVGElement[] {
  const lines = [0, 0.5, 1].flatMap((share) => {
    const y = vertical(scale.top * share, scale);
    const line = svg("line", { x1: 0, x2: scale.width, y1: y, y2: y });
    return share === 0 ? [line] : [line, svg("text", { x: 2, y: y - 5 }, rate(scale.top * share))];
  });
  const below = scale.height - 4;
  const ago = svg("text", { x: 2, y: below }, "1 min ago");
  const now = svg("text", { x: scale.width - 2, y: below, "text-anchor": "end" }, "now");
  return [...lines, ago, now];
}

/** A closed shape between two lines. */
function band(floor: number[], ceiling: number[], scale: Scale): string {
  const upper = curve(ceiling, scale);
  const lower = curve(floor, scale).reverse();
  return `M${line(upper)}L${line(lower)}Z`;
}

type Point = [x: number, y: number];

function curve(values: number[], scale: Scale): Point[] {
  const step = scale.width / (SECONDS - 1);
  return values.map((value, index) => [(index - 1) * step, vertical(value, scale)]);
}

/** Level in each point and smooth between: neighbours' curves never cross. */
function line(points: Point[]): string {
  return points.reduce((path, [x, y], index) => {
    const before = points[index - 1];
    if (!before) return `${fixed(x)},${fixed(y)}`;
    const middle = fixed((before[0] + x) / 2);
    return `${path}C${middle},${fixed(before[1])},${middle},${fixed(y)},${fixed(x)},${fixed(y)}`;
  }, "");
}

function vertical(value: number, { height, top }: Scale): number {
  const room = height - MARGIN.top - MARGIN.bottom;
  return MARGIN.top + room * (1 - Math.min(1, value / top));
}

function fixed(value: number): string {
  return value.toFixed(1);
}

/** The CDN is told apart by its pattern too, not by its colour alone. */
function hatching(): SVGDefsElement {
  const size = { width: 6, height: 6, patternUnits: "userSpaceOnUse" };
  const pattern = svg("pattern", { id: "hatch", ...size, patternTransform: "rotate(45)" });
  pattern.append(
    svg("rect", { class: "hatch-ground", width: 6, height: 6 }),
    svg("rect", { class: "hatch-line", width: 2, height: 6 }),
  );
  return svg("defs", {}, pattern);
}

function describe(recent: BySource): string {
  const all = sum(recent);
  if (all === 0) return "Nothing arrived in the last minute";
  const shares = SOURCES.map((source) => `${NAMES[source]} ${percent(recent[source], all)}`);
  return `In the last minute: ${shares.join(", ")}`;
}
