/** Counts what goes where, for the snapshots that the page sees. */

import type { WorkerStats } from "../messages.js";
import type { AssignedDetail, ByteCounts, LinkStats } from "../stats.js";

interface Parent {
  waypoint: boolean;
  substreams: number[];
  why: string;
}

interface Link {
  peer: string;
  up: boolean;
  received: number;
  sent: number;
  rttMs: number | null;
  transport: LinkStats["transport"];
  /** By `performance.now()`. */
  dialledAt: number;
  connectMs: number | null;
}

export class Ledger {
  coordinator: WorkerStats["coordinator"] = "connecting";
  peer: string | null = null;
  type: WorkerStats["type"] = null;
  why = "";
  strikes = 0;
  readonly bytes: ByteCounts = {
    cdn: 0,
    waypoint: 0,
    peer: 0,
    uploaded: 0,
    wasted: 0,
    control: 0,
  };
  readonly #links = new Map<number, Link>();
  readonly #parents = new Map<string, Parent>();
  #assignment: WorkerStats["assignment"] = null;

  dialled(link: number, peer: string): void {
    const nothing = { up: false, received: 0, sent: 0, rttMs: null, transport: null };
    this.#links.set(link, { peer, dialledAt: performance.now(), connectMs: null, ...nothing });
  }

  /** The other end of a link, in hexadecimal; empty for a link that is gone. */
  peerOf(link: number): string {
    return this.#links.get(link)?.peer ?? "";
  }

  /** The transport stands; the other end is still to be convinced. */
  connected(link: number, transport: LinkStats["transport"]): void {
    this.#change(link, (one) => (one.transport = transport));
  }

  up(link: number): void {
    this.#change(link, (one) => {
      one.up = true;
      one.connectMs = performance.now() - one.dialledAt;
    });
  }

  /** Whether the link was known. */
  down(link: number): boolean {
    return this.#links.delete(link);
  }

  roundTrip(link: number, ms: number | null): void {
    this.#change(link, (one) => (one.rttMs = ms));
  }

  received(link: number, waypoint: boolean, bytes: number): void {
    this.bytes[waypoint ? "waypoint" : "peer"] += bytes;
    this.#change(link, (one) => (one.received += bytes));
  }

  sent(link: number, bytes: number): void {
    this.bytes.uploaded += bytes;
    this.#change(link, (one) => (one.sent += bytes));
  }

  assigned(assignment: AssignedDetail): void {
    this.#assignment = assignment;
    this.#parents.clear();
  }

  parent(peer: string, waypoint: boolean, mask: number, why: string): void {
    this.#parents.set(peer, { waypoint, substreams: substreams(mask), why });
  }

  snapshot(memoryBytes: number): WorkerStats {
    const { coordinator, peer, type, strikes } = this;
    const noParents = this.#assignment && this.#parents.size === 0 ? this.#assignment.why : "";
    return {
      coordinator,
      peer,
      type,
      why: noParents || this.why,
      bytes: { ...this.bytes },
      links: [...this.#links.values()].map((link) => this.#linkStats(link)),
      assignment: this.#assignment,
      memoryBytes,
      strikes,
    };
  }

  #change(link: number, change: (link: Link) => void): void {
    const known = this.#links.get(link);
    if (known) change(known);
  }

  #linkStats({ peer, up, received, sent, rttMs, transport, connectMs }: Link): LinkStats {
    const parent = this.#parents.get(peer);
    return {
      peer,
      source: parent ? (parent.waypoint ? "waypoint" : "peer") : "child",
      state: up ? "up" : "connecting",
      substreams: parent?.substreams ?? [],
      received,
      sent,
      rttMs,
      transport,
      connectMs,
      why: parent?.why ?? "",
    };
  }
}

/** The numbers of the bits that are set, of 16. */
export function substreams(mask: number): number[] {
  return Array.from({ length: 16 }, (_, bit) => bit).filter((bit) => (mask >> bit) & 1);
}
