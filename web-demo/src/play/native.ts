/** Browsers without Media Source Extensions play HLS by themselves or not at all. */

import type { Stream } from "../settings";

/** Peers cannot help there: the browser fetches the stream itself, and tells nobody how. */
export function playNatively(
  video: HTMLVideoElement,
  stream: Stream,
  tell: (words: string) => void,
): void {
  if (video.canPlayType("application/vnd.apple.mpegurl")) {
    video.src = stream.src;
    tell("This browser plays HLS by itself, so peers cannot help and nothing can be measured.");
  } else {
    tell("This browser cannot play HLS: it has no Media Source Extensions.");
  }
}
