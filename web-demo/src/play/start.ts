import Hls from "hls.js";

/** By `autoplay` alone WebKitGTK shows the first frame and waits. Where a browser forbids it the controls are left. */
export function playAtOnce(hls: Hls, video: HTMLVideoElement): void {
  hls.once(Hls.Events.MEDIA_ATTACHED, () => void video.play().catch(() => {}));
}
