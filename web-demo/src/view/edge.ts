/** For live streams: whether the picture is at the live edge, and the way back to it. */

import type Hls from "hls.js";
import type { RunnelStats } from "runnel";
import { setText } from "../dom";

/** Further behind than its target by this many seconds, a viewer has left the edge. */
const NEAR = 6;

export class Edge {
  private readonly words: HTMLElement;
  private hls: Hls | null = null;

  constructor(
    private readonly button: HTMLButtonElement,
    video: HTMLVideoElement,
  ) {
    this.words = button.querySelector("span") ?? button;
    button.addEventListener("click", () => {
      const position = this.hls?.liveSyncPosition;
      if (typeof position === "number") video.currentTime = position;
      void video.play();
    });
  }

  update(hls: Hls, { latencySeconds }: RunnelStats): void {
    this.hls = hls;
    this.button.hidden = latencySeconds === null;
    const near = (latencySeconds ?? 0) < (hls.targetLatency ?? 0) + NEAR;
    this.button.disabled = near;
    this.button.classList.toggle("near", near);
    setText(this.words, near ? "Live" : "Back to live");
  }
}
