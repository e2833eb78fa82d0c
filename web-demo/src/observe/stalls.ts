/**
 * Stalls as a viewer meets them: the player says `waiting` for 100 ms or longer after it has once
 * played. Waiting that a seek caused is the viewer's own, and is left out.
 */

/** Shorter waits are not seen by anybody. */
const SHORTEST_MS = 100;
/** Stalls remembered one by one; the count goes on. */
const REMEMBERED = 1_000;

export interface Stall {
  /** When it began, on the scale of `performance.now()`. */
  at: number;
  /** How long it took; `null` while it lasts. */
  ms: number | null;
  /** Where in the stream, in seconds. */
  position: number;
}

export class Stalls {
  readonly list: Stall[] = [];
  count = 0;
  private phase: "starting" | "playing" | "seeking" = "starting";
  private waitingSince: number | null = null;
  private timer = 0;
  private current: Stall | null = null;

  constructor(private readonly video: HTMLVideoElement) {
    video.addEventListener("playing", (event) => this.onPlaying(event.timeStamp));
    video.addEventListener("waiting", (event) => this.onWaiting(event.timeStamp));
    video.addEventListener("seeking", (event) => this.onSeeking(event.timeStamp));
    video.addEventListener("pause", (event) => this.end(event.timeStamp));
  }

  /** Another stream begins: what happens until it plays is its start, not a stall. */
  restart(now: number): void {
    this.end(now);
    this.phase = "starting";
  }

  private onPlaying(now: number): void {
    this.end(now);
    this.phase = "playing";
  }

  /** hls.js seeks a little to get out of a stall, which lasts until the picture moves again. */
  private onSeeking(now: number): void {
    if (this.current) return;
    this.end(now);
    if (this.phase === "playing") this.phase = "seeking";
  }

  private onWaiting(now: number): void {
    if (this.phase !== "playing" || this.video.seeking || this.waitingSince !== null) return;
    this.waitingSince = now;
    this.timer = window.setTimeout(() => this.begin(), SHORTEST_MS);
  }

  private begin(): void {
    if (this.waitingSince === null || this.current) return;
    this.current = { at: this.waitingSince, ms: null, position: this.video.currentTime };
    this.count += 1;
    this.list.push(this.current);
    if (this.list.length > REMEMBERED) this.list.shift();
  }

  /** Timers are late in a background tab, so the length is taken from the events' own times. */
  private end(now: number): void {
    clearTimeout(this.timer);
    if (this.waitingSince !== null && now - this.waitingSince >= SHORTEST_MS) this.begin();
    if (this.current) this.current.ms = now - this.current.at;
    this.current = null;
    this.waitingSince = null;
  }
}
