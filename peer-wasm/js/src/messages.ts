/** What the page and its Worker say to each other. Ids are counters, unique per Worker. */

import type { AssignedDetail, ByteCounts, LinkStats, P2pEvents } from "./stats.js";

/** A rendition's attributes as they stand in the playlist: its identity on page and waypoint. */
export interface TrackText {
  /** `EXT-X-MEDIA`'s TYPE; empty for a variant (`EXT-X-STREAM-INF`). */
  media: string;
  /** BANDWIDTH, or GROUP-ID. Empty for a media playlist that stands alone. */
  first: string;
  /** RESOLUTION, or NAME; empty if absent. */
  second: string;
  /** CODECS, or LANGUAGE; empty if absent. */
  third: string;
}

/** The player asks for a segment. */
export interface WantMessage {
  kind: "want";
  id: number;
  /** A separate audio rendition rather than the main one. */
  audio: boolean;
  /** Media sequence number. */
  sn: number;
  url: string;
  /** Byte range within the resource, end exclusive; both 0 for the whole of it. */
  rangeStart: number;
  rangeEnd: number;
  /** Milliseconds until the player runs dry without it. */
  dueIn: number;
  /** Nominal duration, milliseconds. */
  duration: number;
  live: boolean;
  /** First after a start or a seek. */
  urgent: boolean;
  /** Milliseconds that such a first one may wait for peers where the operator's policy has it wait. */
  mayWait: number;
  track: TrackText;
  /** Milliseconds that the player's own loader needed for its latest segment; 0 if for none. */
  cdnTook: number;
}

/** What the Worker needs to begin; sent once, first. */
export interface StartMessage {
  kind: "start";
  wasmUrl: string | null;
  /** The coordinator's WebSocket. */
  coordinator: string;
  /** The content's registered name, or `null` to be found by `masterUrl`. */
  content: string | null;
  masterUrl: string;
  rootKey: string | null;
  /** The group to join by the invitation in `text`, or to make under this name; see `Engine.group`. */
  group: { text: string; strangers: number } | null;
  /** The site has join tokens: the peer connects once it has the first one. */
  hasTokens: boolean;
  /** What may be uploaded, bits per second; 0 for nothing. */
  uplink: number;
  /** Count what would be delivered, deliver nothing. */
  shadow: boolean;
  /** The page fetches from the CDN, since only it knows how (`xhrSetup` and the like). */
  pageFetches: boolean;
  /** The page makes calls by WebRTC, which a Worker cannot. */
  canCall: boolean;
}

/** The Worker has the page call another peer by WebRTC, for a link of this number. */
export interface CallMessage {
  kind: "call";
  link: number;
  /** `address:port`, IPv6 in brackets. */
  hosts: string[];
  /** SHA-256 of the certificate that the other end shows, in hexadecimal. */
  certificate: string;
}

export type ToWorker =
  | StartMessage
  | WantMessage
  | { kind: "abandon"; id: number }
  | { kind: "consent"; uplink: number }
  | { kind: "token"; token: string | null }
  | { kind: "playback"; buffer: number; stalls: number; rate: number }
  | { kind: "played"; bytes: number }
  | { kind: "fetched"; fetch: number; bytes: ArrayBuffer | null }
  | { kind: "channels"; link: number; control: RTCDataChannel; bulk: RTCDataChannel }
  | { kind: "call-lost"; link: number }
  | { kind: "ping" }
  | { kind: "stop" };

/** A segment for the player. */
export interface DeliverMessage {
  kind: "deliver";
  id: number;
  bytes: ArrayBuffer;
  fromPeers: number;
  fromWaypoints: number;
  fromCdn: number;
  rescued: boolean;
  /** Measured speed of this machine's link, bits per second; `null` until bursts were seen. */
  linkBps: number | null;
}

export type ToPage =
  | DeliverMessage
  | { kind: "unavailable"; why: string }
  | { kind: "token"; jkt: string }
  | { kind: "opened"; id: string; name: string }
  | { kind: "refused"; why: string; forGood: boolean }
  | { kind: "declined"; id: number }
  | { kind: "failed"; id: number }
  | { kind: "asking-cdn"; id: number; whole: boolean }
  | { kind: "fetch"; fetch: number; want: number; offset: number; length: number }
  | CallMessage
  | { kind: "hang-up"; link: number }
  | { kind: "pong" }
  | { kind: "stats"; stats: WorkerStats }
  | WorkerEvent<"assigned" | "group" | "linkup" | "linkdown" | "struck">
  | { kind: "log"; level: "info" | "warn"; text: string };

/** An event that the page passes on, of one of these names. */
export type WorkerEvent<Name extends keyof P2pEvents> = {
  [K in Name]: { kind: "event"; name: K; detail: P2pEvents[K] };
}[Name];

/** The Worker's share of a snapshot, see `RunnelStats`. */
export interface WorkerStats {
  coordinator: "connecting" | "connected" | "lost";
  peer: string | null;
  type: "lightweight" | "regular" | null;
  why: string;
  bytes: ByteCounts;
  links: LinkStats[];
  assignment: AssignedDetail | null;
  memoryBytes: number;
  strikes: number;
}
