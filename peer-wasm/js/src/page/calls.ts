/**
 * Calls by WebRTC, which only a page can make: its Worker says whom to call, gets two data channels, and does the
 * talking. Nothing is signalled: the answer is written here, from what the coordinator told of the other end.
 */

import type { CallMessage, ToWorker } from "../messages.js";

/** SCTP streams of the two channels, see `runnel-protocol`'s `channels`. */
const CONTROL_CHANNEL = 0;
const BULK_CHANNEL = 1;
/** Milliseconds in which a goodbye is on its way. */
const GOODBYE = 500;
/** Characters of the name that a call has at the other end. */
const NAME = 16;

export type Tell = (message: ToWorker, transfer?: Transferable[]) => void;

/** Whether this browser makes calls. */
export const canCall = (): boolean =>
  typeof RTCPeerConnection !== "undefined" && typeof RTCDataChannel !== "undefined";

export class Calls {
  readonly #tell: Tell;
  readonly #calls = new Map<number, RTCPeerConnection>();

  constructor(tell: Tell) {
    this.#tell = tell;
  }

  /** Calls somebody; the Worker hears of it whatever comes of it. */
  call(message: CallMessage): void {
    const { link } = message;
    try {
      const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
      this.#calls.set(link, connection);
      const channel = (id: number) =>
        connection.createDataChannel("", { negotiated: true, id, ordered: true });
      const control = channel(CONTROL_CHANNEL);
      const bulk = channel(BULK_CHANNEL);
      // At once: a channel that was used, or has had time to be, can no longer be handed over.
      const transfer = [control, bulk] as unknown as Transferable[];
      this.#tell({ kind: "channels", link, control, bulk }, transfer);
      connection.onconnectionstatechange = () => {
        // `disconnected` may heal, but not within the time in which another parent is found.
        const gone = ["failed", "disconnected", "closed"].includes(connection.connectionState);
        if (gone) this.#lost(link);
      };
      void negotiate(connection, message).catch(() => this.#lost(link));
    } catch {
      this.#lost(link);
    }
  }

  /** Ends a call, after the last word has left. */
  hangUp(link: number): void {
    const connection = this.#calls.get(link);
    this.#calls.delete(link);
    if (connection) setTimeout(() => connection.close(), GOODBYE);
  }

  /** Ends all calls at once. */
  close(): void {
    for (const connection of this.#calls.values()) connection.close();
    this.#calls.clear();
  }

  #lost(link: number): void {
    this.#tell({ kind: "call-lost", link });
    this.#calls.get(link)?.close();
    this.#calls.delete(link);
  }
}

async function negotiate(connection: RTCPeerConnection, { hosts, certificate }: CallMessage) {
  const offer = await connection.createOffer();
  await connection.setLocalDescription(offer);
  const name = crypto.randomUUID().replaceAll("-", "").slice(0, NAME);
  const sdp = answerOf(offer.sdp ?? "", { name, hosts, certificate });
  await connection.setRemoteDescription({ type: "answer", sdp });
}

/** Whom to reach: `certificate` is the SHA-256 of the one that will be shown, in hexadecimal. */
export interface Answerer {
  name: string;
  hosts: string[];
  certificate: string;
}

/** What an agent would answer, if it were asked (RFC 8839, RFC 8841). */
export function answerOf(offer: string, { name, hosts, certificate }: Answerer): string {
  const mid = /^a=mid:(\S+)/m.exec(offer)?.[1] ?? "0";
  const fingerprint = certificate.match(/../g)?.join(":").toUpperCase();
  const candidates = hosts.map((host, at) => {
    const colon = host.lastIndexOf(":");
    const address = host.slice(0, colon).replace(/^\[|\]$/g, "");
    // Type preference 126 for host candidates, then ours in their order (RFC 8445 §5.1.2).
    const priority = 126 * 2 ** 24 + (65535 - at) * 2 ** 8 + 255;
    return `a=candidate:${at + 1} 1 udp ${priority} ${address} ${host.slice(colon + 1)} typ host`;
  });
  const lines = [
    "v=0",
    "o=- 1 1 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    "a=ice-lite",
    `a=group:BUNDLE ${mid}`,
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    `a=mid:${mid}`,
    `a=ice-ufrag:${name}`,
    `a=ice-pwd:${certificate}`,
    `a=fingerprint:sha-256 ${fingerprint}`,
    "a=setup:passive",
    "a=sctp-port:5000",
    "a=max-message-size:16384",
    ...candidates,
    "a=end-of-candidates",
  ];
  return lines.join("\r\n") + "\r\n";
}
