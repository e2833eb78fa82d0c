/** Asks the coordinator for its reasons about this peer, when the viewer wants to know. */

import { html } from "../dom";
import { explanation } from "./explanation";

const PATIENCE_MS = 5_000;

export class Explain {
  private ask: { coordinator: string; peer: string } | null = null;

  constructor(
    private readonly button: HTMLButtonElement,
    private readonly answer: HTMLElement,
  ) {
    button.addEventListener("click", () => void this.fetch());
  }

  /** Whom to ask and about whom; nobody without a peer's id, which comes after consent. */
  update(coordinator: string | undefined, peer: string | null): void {
    this.ask = coordinator && peer ? { coordinator, peer } : null;
    this.button.disabled = !this.ask;
    this.button.title = this.ask ? "" : "Possible once the coordinator knows this peer";
  }

  private async fetch(): Promise<void> {
    if (!this.ask) return;
    this.show(html("p", {}, "Asking…"));
    try {
      const answer = await fetch(address(this.ask.coordinator, this.ask.peer), {
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      this.show(answer.ok ? explanation(await answer.json()) : refusal(answer.status));
    } catch {
      this.show(html("p", {}, "The coordinator did not answer."));
    }
    this.answer.focus();
  }

  private show(content: Node): void {
    const close = html("button", { type: "button", class: "quiet" }, "Close");
    close.addEventListener("click", () => {
      this.answer.hidden = true;
      this.button.focus();
    });
    this.answer.replaceChildren(close, content);
    this.answer.hidden = false;
  }
}

/** `ws://host/v1/peer` or `https://host` → `http(s)://host/v1/explain?peer=…`. */
export function address(coordinator: string, peer: string): URL {
  const url = new URL("/v1/explain", new URL(coordinator, document.baseURI));
  url.protocol = url.protocol.replace(/^ws/, "http");
  url.searchParams.set("peer", peer);
  return url;
}

function refusal(status: number): HTMLElement {
  const unknown = "The coordinator does not know this peer (any more).";
  return html("p", {}, status === 404 ? unknown : `The coordinator answered ${status}.`);
}
