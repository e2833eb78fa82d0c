/** A link to another peer by whatever gets through: WebTransport, or else WebRTC. */

import type { Bytes, Link, LinkListener } from "./link.js";
import { WebRtcLink, type Caller } from "./webrtc-link.js";
import { WebTransportLink } from "./webtransport-link.js";

export type Transport = "webtransport" | "webrtc";

/**
 * Milliseconds that WebTransport has before WebRTC is tried beside it: three round trips over a path of
 * 300 ms. Sooner would cost agents a second handshake for nothing, later a viewer's patience.
 */
const HEAD_START = 1000;

/** What this page has learned of its network, so that a blocked one costs the head start only once. */
export class Ways {
  /** WebTransport was there too late, or not at all, when it was last tried against WebRTC. */
  beaten = false;
  readonly hasWebTransport = typeof WebTransport !== "undefined";
  /** Whether the page can make calls. */
  hasWebRtc = false;

  get headStart(): number {
    return this.beaten ? 0 : HEAD_START;
  }
}

/** Where to find a peer. */
export interface Contact {
  hosts: string[];
  certificates: Bytes[];
}

export class PeerLink implements Link {
  readonly #listener: LinkListener;
  readonly #ways: Ways;
  readonly #caller: Caller;
  /** Attempts that are under way, or the one that came through. */
  readonly #attempts = new Map<Transport, Link>();
  #webRtc: WebRtcLink | null = null;
  #headStart: ReturnType<typeof setTimeout> | undefined;
  #winner: Link | null = null;
  #transport: Transport | null = null;

  constructor(contact: Contact, ways: Ways, caller: Caller, listener: LinkListener) {
    this.#ways = ways;
    this.#caller = caller;
    this.#listener = listener;
    if (ways.hasWebTransport) {
      const { hosts, certificates } = contact;
      const attempt = this.#listen("webtransport");
      this.#attempts.set("webtransport", new WebTransportLink(hosts, certificates, attempt));
    }
    if (ways.hasWebRtc) {
      const wait = ways.hasWebTransport ? ways.headStart : 0;
      this.#headStart = setTimeout(() => this.#call(), wait);
    }
  }

  /** What carries it; `null` until it stands. */
  get transport(): Transport | null {
    return this.#transport;
  }

  /** The page's channels for this link. */
  channels(control: RTCDataChannel, bulk: RTCDataChannel): void {
    this.#webRtc?.channels(control, bulk);
  }

  /** The page could not connect, or lost the connection. */
  callLost(): void {
    this.#webRtc?.lost();
  }

  send(bytes: Bytes): void {
    this.#winner?.send(bytes);
  }

  close(code: number): void {
    clearTimeout(this.#headStart);
    for (const attempt of this.#attempts.values()) attempt.close(code);
    this.#attempts.clear();
  }

  openBulk(bulk: number, header: Bytes, order: number): void {
    this.#winner?.openBulk(bulk, header, order);
  }

  writeBulk(bulk: number, frame: Bytes): Promise<void> {
    return this.#winner?.writeBulk(bulk, frame) ?? Promise.resolve();
  }

  endBulk(bulk: number, inOrder: boolean): void {
    this.#winner?.endBulk(bulk, inOrder);
  }

  stopStream(stream: number): void {
    this.#winner?.stopStream(stream);
  }

  get roundTrip(): number | null {
    return this.#winner?.roundTrip ?? null;
  }

  #call(): void {
    clearTimeout(this.#headStart);
    if (this.#webRtc || this.#winner) return;
    this.#webRtc = new WebRtcLink(this.#caller, this.#listen("webrtc"));
    this.#attempts.set("webrtc", this.#webRtc);
  }

  #listen(transport: Transport): LinkListener {
    const { control, bulk, bulkEnded, closed } = this.#listener;
    return {
      control,
      bulk,
      bulkEnded,
      closed,
      connected: () => this.#connected(transport),
      failed: () => this.#failed(transport),
    };
  }

  #connected(transport: Transport): void {
    const winner = this.#attempts.get(transport);
    if (!winner || this.#winner) return;
    this.#winner = winner;
    this.#transport = transport;
    clearTimeout(this.#headStart);
    this.#ways.beaten = transport === "webrtc" && this.#ways.hasWebTransport;
    for (const [other, attempt] of this.#attempts) {
      if (other !== transport) attempt.close(0);
    }
    this.#listener.connected();
  }

  #failed(transport: Transport): void {
    this.#attempts.delete(transport);
    if (this.#winner) return;
    if (transport === "webtransport" && this.#ways.hasWebRtc && !this.#webRtc) this.#call();
    else if (this.#attempts.size === 0) this.#listener.failed();
  }
}
