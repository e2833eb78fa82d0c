/** Friends who watch together: who is invited, and how to invite. */

import type { GroupDetail } from "runnel";
import { html, setText } from "../dom";
import { GROUP, GROUP_TO_BE } from "../settings";

export class Friends {
  private readonly says = html("p", { class: "why" });
  private readonly invite = html("button", { type: "button", class: "quiet" });
  private copies = false;

  constructor(holder: HTMLElement) {
    holder.append(html("div", {}, this.says, this.invite));
    this.invite.addEventListener("click", () => void (this.copies ? this.copy() : makeGroup()));
    setText(this.invite, "Watch with friends");
  }

  /** The peer belongs to a group, or not. An invitation stands in the fragment, which is sent to nobody. */
  update({ name, invitation, why }: GroupDetail): void {
    if (invitation) history.replaceState(null, "", `#${GROUP}=${invitation}`);
    setText(this.says, name ? `Watching with: ${name}` : `Not in a group: ${why}`);
    this.copies = name !== null && fragment().has(GROUP);
    setText(this.invite, this.copies ? "Copy an invitation" : "Watch with friends");
  }

  private async copy(): Promise<void> {
    await navigator.clipboard.writeText(location.href);
    setText(this.invite, "Copied: send it to a friend");
  }
}

function makeGroup(): void {
  const name = prompt("What is your group called?")?.trim();
  if (!name) return;
  location.hash = new URLSearchParams({ [GROUP_TO_BE]: name }).toString();
  location.reload();
}

function fragment(): URLSearchParams {
  return new URLSearchParams(location.hash.slice(1));
}
