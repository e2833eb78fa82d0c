/** Wants that come while the Worker is still on its way to the content: kept, not refused. */

import type { WantMessage } from "../messages.js";

/** Wants that may wait; a player asks for one segment a kind at a time. */
const MOST = 8;

export class EarlyWants {
  readonly #wants: { want: WantMessage; since: number }[] = [];
  #open = true;

  /** Whether the want waits here from now on. */
  keep(want: WantMessage, now: number): boolean {
    if (!this.#open || this.#wants.length >= MOST) return false;
    this.#wants.push({ want, since: now });
    return true;
  }

  forget(id: number): void {
    const at = this.#wants.findIndex(({ want }) => want.id === id);
    if (at >= 0) this.#wants.splice(at, 1);
  }

  /** All that waited, with what is left of their time. Nothing is kept from here on. */
  release(now: number): WantMessage[] {
    this.#open = false;
    const waited = this.#wants.splice(0);
    return waited.map(({ want, since }) => ({
      ...want,
      dueIn: Math.max(0, want.dueIn - (now - since)),
    }));
  }
}
