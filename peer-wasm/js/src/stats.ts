/**
 * What a page can know about its peer, once a second: the detail of the `stats` event and the
 * value of `hls.p2p.stats`. Read only; every snapshot is a new object.
 */
export interface RunnelStats {
  /** When it was taken, on the scale of `performance.now()`, in milliseconds. */
  at: number;
  /** What the site asked for; see {@link Mode}. */
  mode: Mode;
  /** What the viewer or the site allows. */
  consent: Consent;
  /** The way to the coordinator. `off`: not contacted (no consent, or mode `off`). */
  coordinator: "off" | "connecting" | "connected" | "lost";
  /** This peer's id, in hexadecimal; `null` until the coordinator let it in. */
  peer: string | null;
  /** What the coordinator treats it as. */
  type: "lightweight" | "regular" | null;
  /** Why that type, or why there are no peers, in words. */
  why: string;
  /** The content that is played: its id in hexadecimal and the name it is registered under. */
  content: { id: string; name: string } | null;
  /** Totals since the start. */
  bytes: ByteCounts;
  /** Links that stand or are being made. */
  links: LinkStats[];
  /** The assignment in force. */
  assignment: AssignedDetail | null;
  /** Media ahead of the playhead, and what the Worker holds in memory. */
  buffer: { seconds: number; memoryBytes: number };
  /** Seconds behind the live edge; `null` for what is not live. */
  latencySeconds: number | null;
  /** Times that playback waited for media after it had begun; seeks are left out. */
  stalls: number;
  /** Times that a peer was caught sending what an honest one cannot send. */
  strikes: number;
}

/**
 * `off`: plain playback. `shadow`: the player is served plainly while the peer runs beside it and
 * counts what it would have delivered. `on`: peers deliver.
 */
export type Mode = "off" | "shadow" | "on";

/** Two consents, given apart: contact with peers at all, and uploads to them. */
export interface Consent {
  peers: boolean;
  upload: boolean;
}

/** Whose money a byte costs: what this machine received and sent, in bytes. */
export interface ByteCounts {
  /** From the CDN. */
  cdn: number;
  /** From the operator's waypoints, proven. */
  waypoint: number;
  /** From other peers, proven. */
  peer: number;
  /** Sent to other peers. */
  uploaded: number;
  /** Received and of no use: late, twice, or for nobody. */
  wasted: number;
  /** WebSocket and control streams, both ways. */
  control: number;
}

/** One link to another peer. */
export interface LinkStats {
  /** The other end's id, in hexadecimal. */
  peer: string;
  /** How its bytes are counted; `child` for one that is only served. */
  source: "peer" | "waypoint" | "child";
  state: "connecting" | "up";
  /** Substreams that it pushes, by the assignment; empty for a standby. */
  substreams: number[];
  /** Verified bytes. */
  received: number;
  /** Bytes of media sent. */
  sent: number;
  /** What carries it; `null` until it stands. `webrtc` where WebTransport is missing or does not get through. */
  transport: "webtransport" | "webrtc" | null;
  /** Milliseconds from the first attempt until the link stood; `null` before. */
  connectMs: number | null;
  /** Round trip in milliseconds, as the handshake measured it; `null` before. */
  rttMs: number | null;
  /** Why the coordinator chose it, in words. */
  why: string;
}

/** A segment that reached the player: detail of the `segment` event. Byte counts by source. */
export interface SegmentDetail {
  sn: number;
  track: string;
  cdn: number;
  waypoint: number;
  peer: number;
  /** Whether some of it had to come from the CDN to be in time. */
  rescued: boolean;
}

/** Details of `linkup`, `linkdown` (with the peer's close code, -1 for none) and `struck`. */
export interface LinkDetail {
  peer: string;
}
export interface LinkDownDetail extends LinkDetail {
  code: number;
}
export interface StruckDetail extends LinkDetail {
  /** What the peer did, in words. */
  offence: string;
}

/** Detail of the `assigned` event: `why` says why there are no parents, when there are none. */
export interface AssignedDetail {
  epoch: number;
  why: string;
  /**
   * Bits per second that the player is asked not to exceed when it chooses a rendition, since the
   * audience is larger than uplinks and CDN carry; `null` where it may choose any.
   */
  maxSuggestedBitrate: number | null;
  /** What the operator's policies have the player do. */
  treatment: TreatmentDetail;
}

/** How policies treat a viewer, whoever feeds it. */
export interface TreatmentDetail {
  /** How much later than by the site's settings a live picture is shown, in seconds. */
  behindSeconds: number;
  /** Bits per second that the player does not exceed when it chooses a rendition. */
  maxBitrate: number | null;
  /** Playback is over: a policy forbids it, and the site has this content's policies enforced. */
  ends: boolean;
  /** Why, in words; empty where nothing is asked of it. */
  why: string;
}

/** Events of `hls.p2p`, with their details. */
export interface P2pEvents {
  /** Once a second. */
  stats: RunnelStats;
  log: LogDetail;
  segment: SegmentDetail;
  assigned: AssignedDetail;
  group: GroupDetail;
  linkup: LinkDetail;
  linkdown: LinkDownDetail;
  struck: StruckDetail;
}

/** Detail of the `group` event. */
export interface GroupDetail {
  /** What the group is called that this viewer belongs to; `null`: it does not, or no longer. */
  name: string | null;
  /** Of a group that the page made: what others join it by. A secret: put it into a link's fragment only. */
  invitation: string | null;
  /** Why it does not, in words. */
  why: string;
}

/** Detail of the `log` event. */
export interface LogDetail {
  level: "info" | "warn";
  text: string;
}
