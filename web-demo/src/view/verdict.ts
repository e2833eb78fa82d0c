/** What is going on, in one sentence for the viewer and one for the curious. */

import type { LinkStats, RunnelStats } from "runnel";
import { percent } from "../format";
import { sum, type BySource } from "../observe/sources";

export interface Verdict {
  /** `flowing`: peers deliver. `plain`: all is well without them. `lacking`: something is missing. */
  tone: "flowing" | "plain" | "lacking";
  title: string;
  detail: string;
}

/** `recent`: bytes by source in the last seconds. */
export function judge(stats: RunnelStats, recent: BySource): Verdict {
  const verdict = judgeWillingness(stats) ?? judgeCoordinator(stats) ?? judgeFlow(stats, recent);
  // Nothing can be said of where bytes come from before the first of them.
  return sum(stats.bytes) > 0 ? verdict : { ...verdict, title: "Waiting for the first bytes" };
}

const PLAIN = "All of this video comes from the CDN";

function judgeWillingness({ mode, consent, why, bytes }: RunnelStats): Verdict | null {
  if (mode === "off") return plain(PLAIN, why.endsWith(".") ? why : "Runnel is switched off on this page.");
  if (!consent.peers && bytes.control > 0) return plain(PLAIN, "Peers were let go. None is contacted any more.");
  if (!consent.peers)
    return plain(PLAIN, "Nobody else has been contacted. Peers join in when you say so below.");
  return null;
}

function judgeCoordinator({ coordinator, links, why }: RunnelStats): Verdict | null {
  const served = links.some((link) => link.state === "up");
  if (coordinator === "connecting") return plain("Looking for peers…", "The CDN plays meanwhile.");
  if (coordinator === "off") return lacking(PLAIN, sentence(why) || "The coordinator was not contacted.");
  if (coordinator === "lost" && !served)
    return lacking(PLAIN, "The coordinator is out of reach. It is being called again.");
  return null;
}

function judgeFlow(stats: RunnelStats, recent: BySource): Verdict {
  const { mode, coordinator, content, links, why } = stats;
  const all = sum(recent);
  const sources = links.filter((link) => link.state === "up" && link.source !== "child");
  if (mode === "shadow")
    return plain(PLAIN, `Shadow mode: peers would have brought ${wouldBe(stats)} of it.`);
  if (sources.length === 0) return lacking(content ? "No peer yet" : PLAIN, sentence(why) || "The CDN plays meanwhile.");
  if (all === 0) return judgePast(stats);
  if (recent.peer === 0 && recent.waypoint === 0) return plain(PLAIN, whyNotPeers(sources));
  const title =
    recent.peer > 0
      ? `Right now ${percent(recent.peer, all)} comes from peers`
      : `Right now ${percent(recent.waypoint, all)} comes from the waypoint`;
  const away = coordinator === "lost" ? " The coordinator is out of reach; what was agreed goes on." : "";
  return { tone: "flowing", title, detail: `${howMany(sources.length)}, every chunk checked before it is shown.${away}` };
}

function whyNotPeers(sources: LinkStats[]): string {
  const standingBy = sources.every((link) => link.substreams.length === 0);
  if (!standingBy) return `${howMany(sources.length)}, but not delivering yet.`;
  const who = sources.length === 1 ? "One source stands by." : `${sources.length} sources stand by.`;
  return `No peer has room for you at the moment. ${who}`;
}

function wouldBe({ bytes }: RunnelStats): string {
  return percent(Math.min(bytes.peer, bytes.cdn), bytes.cdn);
}

/** Nothing arrives because nothing is wanted: the video is here, or paused. */
function judgePast({ bytes }: RunnelStats): Verdict {
  const title = `${percent(bytes.peer, sum(bytes))} of this video came from peers`;
  return { tone: "flowing", title, detail: "All that is needed now is here already." };
}

/** Reasons come as parts of a sentence. */
export function sentence(why: string): string {
  if (why === "") return "";
  const end = /[.!?…]$/.test(why) ? "" : ".";
  return why.charAt(0).toUpperCase() + why.slice(1) + end;
}

function howMany(count: number): string {
  return count === 1 ? "One source linked" : `${count} sources linked`;
}

function plain(title: string, detail: string): Verdict {
  return { tone: "plain", title, detail };
}

function lacking(title: string, detail: string): Verdict {
  return { tone: "lacking", title, detail };
}
