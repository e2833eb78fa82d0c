/** The switch between the streams that the page offers, such as live and on demand. */

import { html } from "../dom";
import type { Stream } from "../settings";

export function offerStreams(
  group: HTMLElement,
  streams: Stream[],
  first: number,
  onChoose: (stream: Stream) => void,
): void {
  const buttons = streams.map((stream, index) => {
    const button = html("button", { type: "button", "aria-pressed": `${index === first}` }, stream.name);
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", `${other === button}`);
      onChoose(stream);
    });
    return button;
  });
  group.replaceChildren(...buttons);
  group.hidden = streams.length < 2;
}
