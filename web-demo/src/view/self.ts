/** What this page is in the swarm, and why. */

import type { RunnelStats } from "runnel";
import { html, setText } from "../dom";
import { bytes, rate, shortId } from "../format";
import { sentence } from "./verdict";

const TYPES = {
  lightweight: {
    name: "Lightweight peer",
    means: "A browser opens links and is never asked to accept one. It keeps a little video in memory and nothing on disk.",
  },
  regular: {
    name: "Regular peer",
    means: "It accepts links as well as opening them, and keeps what it has received for others.",
  },
  none: {
    name: "Not a peer",
    means: "This page plays like any other. It becomes a peer once the coordinator has let it in.",
  },
};

export class Self {
  private readonly name = html("b");
  private readonly means = html("p");
  private readonly why = html("p", { class: "why" });

  constructor(
    holder: HTMLElement,
    private readonly id: HTMLElement,
  ) {
    holder.append(html("div", {}, this.name, this.means, this.why), agentOffer());
  }

  update(stats: RunnelStats): void {
    const type = TYPES[stats.type ?? "none"];
    setText(this.name, type.name);
    setText(this.means, type.means);
    setText(this.why, reasons(stats));
    setText(this.id, stats.peer ? `${shortId(stats.peer)} · ${bytes(stats.buffer.memoryBytes)} in memory` : "");
    if (stats.peer) this.id.title = stats.peer;
  }
}

/** Why it is so, in sentences. What the viewer has not allowed is said beside the switch. */
function reasons({ consent, mode, why, assignment }: RunnelStats): string {
  if (!consent.peers && mode !== "off") return "Peers have not been allowed.";
  const all = new Set([why, assignment?.why ?? "", smaller(assignment), restricted(assignment)]);
  return [...all].map(sentence).filter(Boolean).join(" ");
}

/** Why the player does not choose a better rendition. */
function smaller(assignment: RunnelStats["assignment"]): string {
  const most = assignment?.maxSuggestedBitrate;
  return most ? `so that everybody has a picture, nobody is to take more than ${rate(most / 8)} at present` : "";
}

/** What the operator's policies grant, and why no more than that. */
function restricted(assignment: RunnelStats["assignment"]): string {
  const { behindSeconds = 0, maxBitrate = null, ends = false, why = "" } = assignment?.treatment ?? {};
  if (ends) return `playback is over: ${why}`;
  const parts = [
    behindSeconds > 0 ? `a live picture comes ${behindSeconds} s later here` : "",
    maxBitrate ? `no more than ${rate(maxBitrate / 8)} is taken here` : "",
  ].filter(Boolean);
  return parts.length > 0 ? `${parts.join(", and ")}: ${why}` : "";
}

/** Regular peers get better sources; whoever wants that can have it. */
function agentOffer(): HTMLElement {
  return html(
    "details",
    {},
    html("summary", {}, "Better sources with the agent"),
    html(
      "p",
      {},
      "The native agent accepts links, keeps more, and is given better sources than a browser: ",
      html("code", {}, "cargo install --path peer-native --locked"),
    ),
  );
}
