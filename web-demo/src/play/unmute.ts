/** Browsers start video by themselves only when it is silent: one tap brings the sound. */

export function offerSound(video: HTMLVideoElement, button: HTMLButtonElement): void {
  const show = () => (button.hidden = !video.muted || video.paused);
  for (const event of ["volumechange", "playing", "pause"]) video.addEventListener(event, show);
  button.addEventListener("click", () => {
    video.muted = false;
    video.focus();
  });
  show();
}
