/** One stream being played: hls.js, with a peer beside it unless the page is to be plain. */

import Hls, { type HlsConfig } from "hls.js";
import { withPeers, type Consent, type GroupDetail, type RunnelStats, type SegmentDetail, type TokenRequest } from "runnel";
import { PlainCounter } from "../observe/plain";
import { tapInto, type Tap } from "../observe/taps";
import type { Settings, Stream } from "../settings";
import { recoverFromErrors } from "./recovery";

export interface Listener {
  onStats(stats: RunnelStats): void;
  onSegment(segment: SegmentDetail): void;
  /** Something that the peer did or was told: the event's name and its detail. */
  onDecision(name: DecisionName, detail: unknown): void;
  /** The peer belongs to a group from now on, or to none. */
  onGroup(group: GroupDetail): void;
  /** What keeps the picture away, in words; `null` when it is back. */
  onTrouble(words: string | null): void;
}

export const DECISIONS = ["assigned", "linkup", "linkdown", "struck", "log"] as const;
export type DecisionName = (typeof DECISIONS)[number];

export interface Session {
  readonly hls: Hls;
  stats(): RunnelStats;
  setConsent(consent: Consent): void;
  close(): void;
}

/** How often a page without a peer takes its snapshot, as often as Runnel does. */
const SNAPSHOT_MS = 1_000;

/** Plays `stream` in `video`. Without Runnel, for whatever reason, it is plain hls.js. */
export function openSession(
  video: HTMLVideoElement,
  stream: Stream,
  settings: Settings,
  consent: Consent,
  taps: Tap[],
  listener: Listener,
): Session {
  const session = start(stream, settings, consent, listener);
  if (settings.tap) tapInto(session.hls, taps);
  recoverFromErrors(session.hls, listener.onTrouble);
  session.hls.loadSource(stream.src);
  session.hls.attachMedia(video);
  return session;
}

function start(stream: Stream, settings: Settings, consent: Consent, listener: Listener): Session {
  const { plain, coordinator } = settings;
  if (plain) return startPlain(settings, "Runnel is left out of this page (plain=1).", listener);
  if (!coordinator) return startPlain(settings, "No coordinator is set for this page.", listener);
  try {
    return startWithPeers(coordinator, stream, settings, consent, listener);
  } catch (error) {
    console.warn("Runnel could not start; playing plainly.", error);
    return startPlain(settings, `Runnel could not start here: ${words(error)}`, listener);
  }
}

function startPlain(settings: Settings, why: string, listener: Listener): Session {
  const hls = new Hls(playerConfig(settings));
  const counter = new PlainCounter(hls, why, listener.onSegment);
  const timer = setInterval(() => listener.onStats(counter.stats()), SNAPSHOT_MS);
  return {
    hls,
    stats: () => counter.stats(),
    setConsent: () => undefined,
    close() {
      clearInterval(timer);
      hls.destroy();
    },
  };
}

function startWithPeers(
  coordinator: string,
  stream: Stream,
  settings: Settings,
  consent: Consent,
  listener: Listener,
): Session {
  const { content } = stream;
  const hls = new (withPeers(Hls))({
    ...playerConfig(settings),
    p2p: {
      coordinator,
      ...(content !== undefined && { content }),
      mode: settings.mode,
      consent: consent.peers,
      upload: consent.upload,
      startWait: (settings.startWait ?? 0) * 1000,
      ...(settings.group !== undefined && { group: settings.group }),
      ...(settings.tokens !== undefined && { token: tokensFrom(settings.tokens) }),
    },
  });
  const { p2p } = hls;
  if (!p2p) throw new Error("the peer was not made");
  listen(p2p, "stats", (detail) => listener.onStats(detail as RunnelStats));
  listen(p2p, "group", (detail) => listener.onGroup(detail as GroupDetail));
  listen(p2p, "segment", (detail) => listener.onSegment(detail as SegmentDetail));
  for (const name of DECISIONS) listen(p2p, name, (detail) => listener.onDecision(name, detail));
  return {
    hls,
    stats: () => p2p.stats,
    setConsent: (next) => p2p.setConsent(next),
    close: () => hls.destroy(),
  };
}

function tokensFrom(url: string): (request: TokenRequest) => Promise<string> {
  return async ({ jkt }) => {
    const answer = await fetch(url, { method: "POST", body: jkt });
    return answer.ok ? answer.text() : "";
  };
}

function listen(target: EventTarget, name: string, react: (detail: unknown) => void): void {
  target.addEventListener(name, (event) => react((event as CustomEvent<unknown>).detail));
}

function playerConfig({ latency }: Settings): Partial<HlsConfig> {
  return latency === undefined ? {} : { liveSyncDuration: latency };
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
