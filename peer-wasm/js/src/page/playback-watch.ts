/** Watches the media element: how often playback waited for media. */

import type Hls from "hls.js";

/** Shorter waits are not seen by people; milliseconds. */
const NOTICEABLE = 100;

/** Counts stalls after the first picture; waiting that follows a seek is none. */
export class PlaybackWatch {
  /** Stalls since the start. */
  stalls = 0;
  #media: HTMLMediaElement | null = null;
  #played = false;
  #sought = false;
  #waitingSince: number | null = null;
  readonly #events = {
    playing: () => this.#resumed(),
    timeupdate: () => this.#resumed(),
    seeking: () => this.#seeking(),
    waiting: () => this.#waits(),
  };

  watch(media: HTMLMediaElement): void {
    this.unwatch();
    this.#media = media;
    for (const [name, listener] of Object.entries(this.#events)) {
      media.addEventListener(name, listener);
    }
  }

  unwatch(): void {
    for (const [name, listener] of Object.entries(this.#events)) {
      this.#media?.removeEventListener(name, listener);
    }
    this.#media = null;
  }

  #seeking(): void {
    this.#sought = true;
    this.#waitingSince = null;
  }

  #waits(): void {
    if (this.#played && !this.#sought) this.#waitingSince ??= performance.now();
  }

  #resumed(): void {
    const media = this.#media;
    if (!media || media.readyState < 3 || media.seeking) return;
    if (this.#waitingSince !== null && performance.now() - this.#waitingSince >= NOTICEABLE) {
      this.stalls += 1;
    }
    this.#waitingSince = null;
    this.#sought = false;
    this.#played ||= !media.paused;
  }
}

/**
 * Bits per second of the rendition that is loaded, on average where the playlist says it (RFC 8216, section 4.3.4.2):
 * what uplinks have to carry. 0 while none is loaded.
 */
export function playedRate(hls: Hls): number {
  const level = hls.levels[hls.loadLevel];
  return level?.attrs.decimalInteger("AVERAGE-BANDWIDTH") || level?.bitrate || 0;
}
