/** The coordinator's reasons in a readable order. What this page does not know, it shows as it came. */

import { html } from "../dom";
import { clock, shortId } from "../format";

/** Deepest nesting and longest list that are shown; an answer is no book. */
const DEPTH = 6;
const LENGTH = 40;

type Fields = Record<string, unknown>;

export function explanation(answer: unknown): Node {
  const { why, contents, events } = fields(answer);
  if (!Array.isArray(contents) || !Array.isArray(events)) return tree(answer, 0);
  return html(
    "div",
    {},
    ...section("Why this type", typeof why === "string" ? [why] : []),
    ...contents.map(fields).flatMap(part),
    ...section("What happened, newest first", events.map(fields).map(event).reverse()),
  );
}

function part({ parents, excluded, children, why }: Fields): Node[] {
  return [
    ...section("Chosen for you", list(parents).map(parent)),
    ...section("Looked at and left out", list(excluded).map(exclusion)),
    ...section("Fed by you", list(children).map((child) => shortId(String(child)))),
    ...section("Why some comes from the CDN", typeof why === "string" && why ? [why] : []),
  ];
}

function parent(feed: Fields): string {
  const state = feed["connected"] === false ? ", not connected yet" : "";
  return `${id(feed["peer"])} (${scalar(feed["source"])}${state}): ${scalar(feed["why"])}`;
}

function exclusion(one: Fields): string {
  return `${id(one["peer"])}: ${scalar(one["why"])} (rule: ${scalar(one["rule"])})`;
}

function event({ at_ms: at, words }: Fields): string {
  const time = typeof at === "number" ? `${clock(new Date(at))} ` : "";
  return `${time}${scalar(words)}`;
}

function section(title: string, lines: string[]): Node[] {
  if (lines.length === 0) return [];
  const items = lines.slice(0, LENGTH).map((line) => html("li", {}, line));
  return [html("h3", {}, title), html("ul", {}, ...items)];
}

/** Any JSON as nested terms and descriptions. */
function tree(value: unknown, depth: number): Node {
  if (typeof value !== "object" || value === null) return html("span", {}, scalar(value));
  if (depth >= DEPTH) return html("span", {}, "…");
  const rows = Object.entries(value).slice(0, LENGTH);
  const terms = rows.flatMap(([key, inner]) => [
    html("dt", {}, key.replaceAll("_", " ")),
    html("dd", {}, tree(inner, depth + 1)),
  ]);
  return terms.length > 0 ? html("dl", {}, ...terms) : html("span", {}, "none");
}

function list(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map((one) => (typeof one === "object" ? fields(one) : one)) : [];
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function id(value: unknown): string {
  return typeof value === "string" ? shortId(value) : "–";
}

function scalar(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value);
}
