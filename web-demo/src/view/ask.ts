/** For a page that nobody has told what to play: asks for an address. */

import { byId, setText } from "../dom";

export function askForStream(): void {
  document.body.classList.add("idle");
  byId("ask").hidden = false;
  byId("video").hidden = true;
  const [title, detail] = byId("verdict").children;
  if (title) setText(title, "Nothing to play yet");
  if (detail) setText(detail, "Nothing has been contacted.");
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const query = new URLSearchParams(location.search);
    query.set("src", byId<HTMLInputElement>("ask-src").value);
    location.search = query.toString();
  });
}
