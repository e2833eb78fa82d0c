/** A policy that forbids playback, where the site has its policies enforced. */

import type Hls from "hls.js";

/** The part of a player that it concerns. */
type Player = Pick<Hls, "media" | "attachMedia" | "detachMedia" | "startLoad" | "stopLoad">;

/** Takes the picture away, and gives it back once the policy does not forbid it any more. */
export class Refusal {
  #asked = false;
  #screen: HTMLMediaElement | null = null;
  #ended = false;

  ask(ends: boolean): void {
    this.#asked = ends;
  }

  /** Call it now and then: a site may attach another screen, or start loading again. */
  apply(player: Player): void {
    if (this.#asked) return this.#end(player);
    if (!this.#ended) return;
    this.#ended = false;
    if (this.#screen && !player.media) player.attachMedia(this.#screen);
    this.#screen = null;
    player.startLoad();
  }

  #end(player: Player): void {
    if (this.#ended && !player.media) return;
    this.#ended = true;
    this.#screen = player.media ?? this.#screen;
    player.stopLoad();
    if (player.media) player.detachMedia();
  }
}
