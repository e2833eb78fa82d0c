/** What this page plays and how: the address wins, then `config.json` beside the page. */

import type { Mode, P2pOptions } from "runnel";

/** A stream that the page offers: its name on the switch, its master playlist, its content id. */
export interface Stream {
  name: string;
  src: string;
  content: string | undefined;
}

export interface Settings {
  /** The streams of the switch; the first one plays, unless `stream=` names another. */
  streams: Stream[];
  first: number;
  coordinator: string | undefined;
  mode: Mode;
  /** Consents given in the address (`consent=1`, `upload=1`), for demonstrations and tests. */
  consent: { peers: boolean; upload: boolean };
  /** How long the first picture may wait for peers where a policy has it wait, in seconds. */
  startWait: number | undefined;
  /** The group to join, or to make: of the fragment, since what is in there is sent to nobody. */
  group: P2pOptions["group"];
  /** Where the site mints join tokens: it answers a POST of a key's thumbprint with one. */
  tokens: string | undefined;
  /** hls.js' `liveSyncDuration`, in seconds. */
  latency: number | undefined;
  autoplay: boolean;
  /** Plain hls.js, for comparison: no part of Runnel runs. */
  plain: boolean;
  /** Record the SHA-256 of every segment that the player got. */
  tap: boolean;
}

interface Config {
  coordinator: string | undefined;
  streams: Stream[];
}

/** Reads the address and, unless that says it all, `config.json`. */
export async function readSettings(query: URLSearchParams): Promise<Settings> {
  const complete = query.has("src") && (query.has("coordinator") || query.get("plain") === "1");
  const config = complete ? NO_CONFIG : await fetchConfig();
  const streams = chooseStreams(query, config);
  return {
    streams,
    first: Math.max(0, streams.findIndex((stream) => isCalled(stream, query.get("stream")))),
    coordinator: query.get("coordinator") ?? config.coordinator,
    mode: readMode(query.get("mode")),
    consent: { peers: query.get("consent") === "1", upload: query.get("upload") === "1" },
    startWait: readSeconds(query.get("startWait")),
    group: readGroup(new URLSearchParams(location.hash.slice(1))),
    tokens: query.get("tokens") ?? undefined,
    latency: readSeconds(query.get("latency")),
    autoplay: query.get("autoplay") !== "0",
    plain: query.get("plain") === "1",
    tap: query.get("tap") === "1",
  };
}

/** The fragment's names for an invitation, and for what a new group is to be called. */
export const GROUP = "group";
export const GROUP_TO_BE = "friends";

function readGroup(fragment: URLSearchParams): P2pOptions["group"] {
  const name = fragment.get(GROUP_TO_BE);
  return fragment.get(GROUP) ?? (name ? { name } : undefined);
}

const NO_CONFIG: Config = { coordinator: undefined, streams: [] };

function chooseStreams(query: URLSearchParams, config: Config): Stream[] {
  const src = query.get("src");
  if (!src) return config.streams;
  const known = config.streams.find((stream) => stream.src === src);
  const content = query.get("content") ?? known?.content;
  return [{ name: known?.name ?? "Stream", src, content }];
}

function isCalled(stream: Stream, name: string | null): boolean {
  return stream.name.toLowerCase() === name?.toLowerCase() || stream.content === name;
}

function readMode(text: string | null): Mode {
  return text === "off" || text === "shadow" ? text : "on";
}

function readSeconds(text: string | null): number | undefined {
  const seconds = Number(text);
  return text && seconds > 0 ? seconds : undefined;
}

async function fetchConfig(): Promise<Config> {
  try {
    const answer = await fetch("config.json", { cache: "no-cache" });
    return answer.ok ? parseConfig(await answer.json()) : NO_CONFIG;
  } catch {
    return NO_CONFIG; // A missing or unreadable file; the page then asks for an address in words.
  }
}

function parseConfig(value: unknown): Config {
  const { coordinator, streams } = (value ?? {}) as Record<string, unknown>;
  return {
    coordinator: typeof coordinator === "string" ? coordinator : undefined,
    streams: Array.isArray(streams) ? streams.flatMap(parseStream) : [],
  };
}

function parseStream(value: unknown): Stream[] {
  const { name, src, content } = (value ?? {}) as Record<string, unknown>;
  if (typeof src !== "string") return [];
  return [
    {
      name: typeof name === "string" ? name : "Stream",
      src,
      content: typeof content === "string" ? content : undefined,
    },
  ];
}
