/**
 * Does for the engine what only a browser can do; one method per side effect, named and documented
 * in `peer-wasm/src/host.rs`. None calls the engine back before it returns.
 */

import type { Engine } from "../../pkg/runnel.js";
import type { StartMessage, ToPage, WantMessage, WorkerStats } from "../messages.js";
import type { TreatmentDetail } from "../stats.js";
import { fetchSpan, spanOf, type Place } from "./cdn.js";
import { Coordinator } from "./coordinator.js";
import type { Keys } from "./keys.js";
import { Ledger } from "./ledger.js";
import { LinkSpeed } from "./link-speed.js";
import { ENDPOINT, hostOf } from "./endpoint.js";
import type { LinkListener } from "./link.js";
import { PeerLink, Ways, type Contact } from "./peer-link.js";
import type { Caller } from "./webrtc-link.js";

/** Bytes in the engine's memory: lent for the call, so copied where they are kept. */
type Bytes = Uint8Array<ArrayBuffer>;

/** Gives the engine a turn; whatever goes wrong in there ends the Worker's usefulness. */
export type Enter = <T>(turn: (engine: Engine) => T) => T | undefined;
export type Post = (message: ToPage, transfer?: Transferable[]) => void;

/** The Worker around the host. */
export interface Surroundings {
  enter: Enter;
  post: Post;
  /** The content is known now, or there is none for a while. */
  settled(): void;
}

/** Longest time that `setTimeout` can wait, in milliseconds; beyond that is as good as never. */
const LONGEST_SLEEP = 2 ** 31 - 1;
/** Bytes of a certificate's hash. */
const CERTIFICATE = 32;

export class Host {
  readonly #start: StartMessage;
  readonly #keys: Keys;
  readonly #enter: Enter;
  readonly #post: Post;
  readonly #settled: () => void;
  readonly #coordinator: Coordinator;
  readonly #links = new Map<number, PeerLink>();
  readonly #wants = new Map<number, Place>();
  readonly #fetches = new Map<number, AbortController>();
  readonly #ledger = new Ledger();
  readonly #speed = new LinkSpeed();
  #treatment: TreatmentDetail = { behindSeconds: 0, maxBitrate: null, ends: false, why: "" };
  readonly #ways = new Ways();
  /** The segment that is being delivered. */
  #segment: Bytes = new Uint8Array(0);
  /** The read that the engine is being told of. */
  #arrived: Uint8Array = new Uint8Array(0);
  #alarm: ReturnType<typeof setTimeout> | undefined;

  constructor(start: StartMessage, keys: Keys, { enter, post, settled }: Surroundings) {
    this.#start = start;
    this.#keys = keys;
    this.#enter = enter;
    this.#post = post;
    this.#settled = settled;
    this.#ways.hasWebRtc = start.canCall;
    this.#coordinator = new Coordinator({
      connected: () => this.#coordinatorIs("connected", (engine) => engine.coordinatorConnected()),
      lost: () => this.#coordinatorIs("lost", (engine) => engine.coordinatorLost()),
      message: (bytes) => {
        this.#ledger.bytes.control += bytes.byteLength;
        return this.#enter((engine) => engine.coordinatorMessage(bytes)) ?? false;
      },
    });
  }

  /** Remembers where a want's bytes are; called before the engine hears of it. */
  remember(want: WantMessage): void {
    const { url, rangeStart, rangeEnd } = want;
    this.#wants.set(want.id, { url, rangeStart, rangeEnd });
  }

  /** Nobody waits for that want any more. */
  forget(want: number): void {
    this.#wants.delete(want);
  }

  /** Bytes that the page fetched in the engine's name; `null` where it could not. */
  fetchedByPage(fetch: number, bytes: ArrayBuffer | null): void {
    if (!this.#fetches.delete(fetch)) return;
    if (!bytes) return void this.#enter((engine) => engine.fetchFailed(fetch));
    this.#ledger.bytes.cdn += bytes.byteLength;
    this.#enter((engine) => engine.fetched(fetch, new Uint8Array(bytes)));
    this.#enter((engine) => engine.fetchDone(fetch));
  }

  /** The Worker's share of a snapshot. */
  stats(memoryBytes: number): WorkerStats {
    for (const [number, link] of this.#links) {
      this.#ledger.roundTrip(number, link.roundTrip);
    }
    return this.#ledger.snapshot(memoryBytes);
  }

  /** Closes everything that is open. */
  close(): void {
    clearTimeout(this.#alarm);
    this.#coordinator.close();
    for (const link of this.#links.values()) link.close(0);
    for (const fetch of this.#fetches.values()) fetch.abort();
  }

  now(): number {
    return performance.timeOrigin + performance.now();
  }

  wakeAt(time: number): void {
    clearTimeout(this.#alarm);
    const wait = time - this.now();
    if (wait > LONGEST_SLEEP) return;
    this.#alarm = setTimeout(() => this.#enter((engine) => engine.timeout()), Math.max(0, wait));
  }

  connectCoordinator(): void {
    this.#ledger.coordinator = "connecting";
    this.#coordinator.connect(this.#start.coordinator);
  }

  disconnectCoordinator(): void {
    this.#coordinator.close();
  }

  renewToken(): void {
    if (!this.#start.hasTokens) return;
    void this.#keys.thumbprint().then((jkt) => this.#post({ kind: "token", jkt }));
  }

  toCoordinator(message: Bytes): void {
    this.#ledger.bytes.control += message.byteLength;
    this.#coordinator.send(message.slice());
  }

  dial(link: number, peer: string, endpoints: Bytes, certificates: Bytes): void {
    const hosts = records(endpoints, ENDPOINT).map(hostOf);
    const contact = { hosts, certificates: records(certificates, CERTIFICATE) };
    this.#ledger.dialled(link, peer);
    const caller = this.#caller(link, contact);
    this.#links.set(link, new PeerLink(contact, this.#ways, caller, this.#on(link)));
  }

  /** The channels of a call that the page makes for a link. */
  channels(link: number, control: RTCDataChannel, bulk: RTCDataChannel): void {
    this.#links.get(link)?.channels(control, bulk);
  }

  callLost(link: number): void {
    this.#links.get(link)?.callLost();
  }

  send(link: number, bytes: Bytes): void {
    this.#ledger.bytes.control += bytes.byteLength;
    this.#links.get(link)?.send(bytes.slice());
  }

  hangup(link: number, code: number): void {
    this.#links.get(link)?.close(code);
    this.#gone(link, code);
  }

  openBulk(link: number, bulk: number, header: Bytes, order: number): void {
    this.#links.get(link)?.openBulk(bulk, header.slice(), order);
  }

  sendChunk(link: number, bulk: number, header: Bytes, data: Bytes): void {
    const frame = new Uint8Array(header.length + data.length);
    frame.set(header);
    frame.set(data, header.length);
    const written = this.#links.get(link)?.writeBulk(bulk, frame) ?? Promise.resolve();
    void written.then(() => this.#enter((engine) => engine.written(link, bulk)));
  }

  finishBulk(link: number, bulk: number): void {
    this.#links.get(link)?.endBulk(bulk, true);
  }

  resetBulk(link: number, bulk: number): void {
    this.#links.get(link)?.endBulk(bulk, false);
  }

  takeArrived(room: Bytes): void {
    room.set(this.#arrived);
  }

  stopStream(link: number, stream: number): void {
    this.#links.get(link)?.stopStream(stream);
  }

  check(check: number, key: Bytes, message: Bytes, signature: Bytes): void {
    void this.#keys
      .check(key.slice(), message.slice(), signature.slice())
      .then((good) => this.#enter((engine) => engine.checked(check, good)));
  }

  sign(sign: number, message: Bytes): void {
    void this.#keys
      .sign(message.slice())
      .then((signature) => this.#enter((engine) => engine.signed(sign, signature)));
  }

  fetch(fetch: number, want: number, offset: number, length: number): void {
    const abort = new AbortController();
    this.#fetches.set(fetch, abort);
    this.#post({ kind: "asking-cdn", id: want, whole: length === 0 });
    if (this.#start.shadow) void this.#pretendToFetch(fetch);
    else if (this.#start.pageFetches) this.#post({ kind: "fetch", fetch, want, offset, length });
    else void this.#fetch(fetch, this.#wants.get(want), offset, length, abort);
  }

  cancelFetch(fetch: number): void {
    this.#fetches.get(fetch)?.abort();
    this.#fetches.delete(fetch);
  }

  makeRoom(length: number): void {
    this.#segment = new Uint8Array(length);
  }

  fill(offset: number, part: Bytes): void {
    this.#segment.set(part, offset);
  }

  deliver(
    id: number,
    fromPeers: number,
    fromWaypoints: number,
    fromCdn: number,
    rescued: boolean,
  ): void {
    this.forget(id);
    if (this.#start.shadow) return;
    const counts = { fromPeers, fromWaypoints, fromCdn, rescued };
    const linkBps = this.#speed.bps;
    const bytes = this.#segment.buffer;
    this.#post({ kind: "deliver", id, bytes, ...counts, linkBps }, [bytes]);
  }

  fail(want: number): void {
    this.forget(want);
    this.#post({ kind: "failed", id: want });
  }

  joined(peer: string, regular: boolean, why: string): void {
    this.#ledger.peer = peer;
    this.#ledger.type = regular ? "regular" : "lightweight";
    this.#ledger.why = why;
  }

  opened(id: string, name: string): void {
    this.#post({ kind: "opened", id, name });
    this.#settled();
  }

  refused(why: string, forGood: boolean): void {
    this.#ledger.why = why;
    this.#post({ kind: "refused", why, forGood });
    this.#settled();
  }

  grouped(name: string, invitation: string, why: string): void {
    const detail = { name: name || null, invitation: invitation || null, why };
    this.#post({ kind: "event", name: "group", detail });
  }

  treated(behind: number, max: number, ends: boolean, why: string): void {
    this.#treatment = { behindSeconds: behind / 1000, maxBitrate: max || null, ends, why };
  }

  assigned(epoch: number, why: string, maxSuggested: number): void {
    const treatment = this.#treatment;
    const detail = { epoch, why, maxSuggestedBitrate: maxSuggested || null, treatment };
    this.#ledger.assigned(detail);
    this.#post({ kind: "event", name: "assigned", detail });
  }

  parent(peer: string, waypoint: boolean, mask: number, why: string): void {
    this.#ledger.parent(peer, waypoint, mask, why);
  }

  linkUp(link: number, peer: string): void {
    this.#ledger.up(link);
    this.#post({ kind: "event", name: "linkup", detail: { peer } });
  }

  linkDown(link: number, code: number): void {
    this.#gone(link, code);
  }

  received(link: number, waypoint: boolean, bytes: number): void {
    this.#ledger.received(link, waypoint, bytes);
  }

  sent(link: number, bytes: number): void {
    this.#ledger.sent(link, bytes);
  }

  wasted(bytes: number): void {
    this.#ledger.bytes.wasted += bytes;
  }

  struck(peer: string, offence: string): void {
    this.#ledger.strikes += 1;
    this.#post({ kind: "event", name: "struck", detail: { peer, offence } });
  }

  mismatch(sequence: number): void {
    const text = `segment ${sequence} from the CDN is not what was attested; played, not served`;
    this.#post({ kind: "log", level: "warn", text });
  }

  #coordinatorIs(state: "connected" | "lost", turn: (engine: Engine) => void): void {
    this.#ledger.coordinator = state;
    if (state === "lost") this.#settled();
    this.#enter(turn);
  }

  #caller(link: number, { hosts, certificates }: Contact): Caller {
    // Of two the one in use comes first; an agent shows the one that its caller expects.
    const certificate = hex(certificates[0] ?? new Uint8Array());
    return {
      call: () => this.#post({ kind: "call", link, hosts, certificate }),
      hangUp: () => this.#post({ kind: "hang-up", link }),
    };
  }

  #on(link: number): LinkListener {
    return {
      connected: () => {
        this.#ledger.connected(link, this.#links.get(link)?.transport ?? null);
        this.#enter((engine) => engine.connected(link));
      },
      failed: () => {
        this.#enter((engine) => engine.dialFailed(link));
        this.#gone(link, -1);
      },
      closed: (code) => {
        this.#enter((engine) => engine.closed(link, code));
        this.#gone(link, code);
      },
      control: (bytes) => {
        this.#ledger.bytes.control += bytes.byteLength;
        this.#enter((engine) => engine.controlBytes(link, bytes));
      },
      bulk: (stream, bytes) => {
        this.#speed.note(bytes.byteLength, performance.now());
        this.#arrived = bytes;
        this.#enter((engine) => engine.bulkBytes(link, stream, bytes.byteLength));
      },
      bulkEnded: (stream) => this.#enter((engine) => engine.bulkEnded(link, stream)),
    };
  }

  #gone(link: number, code: number): void {
    const peer = this.#ledger.peerOf(link);
    this.#links.delete(link);
    if (!this.#ledger.down(link)) return;
    this.#post({ kind: "event", name: "linkdown", detail: { peer, code } });
  }

  async #fetch(
    fetch: number,
    place: Place | undefined,
    offset: number,
    length: number,
    abort: AbortController,
  ): Promise<void> {
    const open = () => this.#fetches.has(fetch);
    try {
      if (!place) throw new Error("no such want");
      const span = spanOf(place, offset, length);
      const take = (bytes: Uint8Array) =>
        open() && this.#enter((engine) => engine.fetched(fetch, bytes));
      await fetchSpan(place.url, span, abort.signal, take, (bytes) => this.#fromCdn(bytes));
      if (this.#fetches.delete(fetch)) this.#enter((engine) => engine.fetchDone(fetch));
    } catch {
      if (this.#fetches.delete(fetch)) this.#enter((engine) => engine.fetchFailed(fetch));
    }
  }

  /** In shadow the player has its own copy coming: a second one would cost the site money. */
  async #pretendToFetch(fetch: number): Promise<void> {
    await null;
    if (this.#fetches.delete(fetch)) this.#enter((engine) => engine.fetchFailed(fetch));
  }

  #fromCdn(bytes: number): void {
    this.#ledger.bytes.cdn += bytes;
    this.#speed.note(bytes, performance.now());
  }
}

function hex(bytes: Bytes): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Copies of the records of `size` bytes that follow one another. */
function records(bytes: Bytes, size: number): Bytes[] {
  const count = Math.floor(bytes.length / size);
  return Array.from({ length: count }, (_, at) => bytes.slice(at * size, (at + 1) * size));
}
