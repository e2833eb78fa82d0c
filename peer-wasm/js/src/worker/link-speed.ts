/**
 * How fast this machine's link is, from bursts: bytes that came back to back. What a source paces
 * (a live stream, a capped uplink) comes with gaps, and says nothing about the link.
 */

/** A pause longer than this ends a burst; milliseconds. */
const GAP = 15;
/** Shorter bursts say little, bytes: half a chunk. */
const LEAST = 32 * 1024;
/** Bursts remembered. */
const REMEMBERED = 16;
/** Clocks in Workers tick in tenths of milliseconds; no burst is taken for shorter than this. */
const SHORTEST = 1;

export class LinkSpeed {
  readonly #rates: number[] = [];
  #begun = 0;
  #last = -Infinity;
  #bytes = 0;

  /** Bytes arrived, at `now` in milliseconds. */
  note(bytes: number, now: number): void {
    if (now - this.#last > GAP) {
      this.#close();
      // The first bytes of a burst began to travel nobody knows when.
      this.#begun = now;
      this.#bytes = 0;
    } else {
      this.#bytes += bytes;
    }
    this.#last = now;
  }

  /** Bits per second; `null` until a burst was seen. The upper quartile of the latest bursts. */
  get bps(): number | null {
    const rates = [...this.#rates].sort((a, b) => a - b);
    return rates[Math.floor(rates.length * 0.75)] ?? null;
  }

  #close(): void {
    if (this.#bytes < LEAST) return;
    this.#rates.push((this.#bytes * 8000) / Math.max(this.#last - this.#begun, SHORTEST));
    if (this.#rates.length > REMEMBERED) this.#rates.shift();
  }
}
