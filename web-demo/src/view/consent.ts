/** The viewer's two switches. What is said beside them is what happens. */

import type { Consent, RunnelStats } from "runnel";
import { byId, setText } from "../dom";

/** Survives a reload of this tab, and nothing longer. */
const STORED = "runnel.consent";

export class ConsentSwitches {
  private readonly peers = byId<HTMLInputElement>("consent-peers");
  private readonly upload = byId<HTMLInputElement>("consent-upload");
  private readonly card = byId("consent");
  private readonly now = byId("consent-now");

  constructor(initial: Consent, onChange: (consent: Consent) => void) {
    const remembered = recall();
    this.peers.checked = initial.peers || remembered.peers;
    this.upload.checked = this.peers.checked && (initial.upload || remembered.upload);
    this.settle();
    for (const input of [this.peers, this.upload])
      input.addEventListener("change", () => {
        this.settle();
        sessionStorage.setItem(STORED, JSON.stringify(this.value));
        onChange(this.value);
      });
  }

  get value(): Consent {
    return { peers: this.peers.checked, upload: this.upload.checked };
  }

  /** A page that cannot have peers says so instead of offering a switch without effect. */
  update({ mode, coordinator }: RunnelStats, possible: boolean): void {
    this.peers.disabled = !possible || mode === "off";
    this.upload.disabled = this.peers.disabled || !this.peers.checked;
    this.card.dataset["open"] = `${!this.peers.disabled && !this.peers.checked}`;
    setText(this.now, this.words(coordinator));
  }

  private words(coordinator: RunnelStats["coordinator"]): string {
    if (this.peers.disabled) return "Peers are not available on this page.";
    if (!this.peers.checked) return "Nobody but the CDN is contacted.";
    if (coordinator === "connected") return "Switch off whenever you like: links end within a second.";
    return "Allowed. You can take it back at any time.";
  }

  /** Passing on needs links, so it cannot stand alone. */
  private settle(): void {
    if (!this.peers.checked) this.upload.checked = false;
    this.upload.disabled = !this.peers.checked;
  }
}

function recall(): Consent {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORED) ?? "{}") as Partial<Consent>;
    return { peers: stored.peers === true, upload: stored.upload === true };
  } catch {
    return { peers: false, upload: false };
  }
}
