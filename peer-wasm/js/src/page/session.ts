/** One player's peer session on the page: consent, the Worker's life, and what is told about it. */

import type Hls from "hls.js";
import type { FragmentLoaderContext, HlsConfig } from "hls.js";
import type { DeliverMessage, StartMessage, ToPage, WorkerStats } from "../messages.js";
import type { AssignedDetail, ByteCounts, Consent, LogDetail, Mode, P2pEvents, RunnelStats, SegmentDetail } from "../stats.js";
import type { Broker, Task } from "./fragment-loader.js";
import {
  coordinatorUrl,
  DEFAULT_UPLOAD_RATE,
  groupOf,
  isGiven,
  tokenFor,
  type P2pOptions,
} from "./options.js";
import { canCall } from "./calls.js";
import { LiveDelay } from "./live-delay.js";
import { needsPage, PageFetcher } from "./page-fetcher.js";
import { PlaybackWatch, playedRate } from "./playback-watch.js";
import { Refusal } from "./refusal.js";
import { playheadOf, trackOf, wantOf } from "./segment.js";
import { SuggestedBitrate } from "./suggested-bitrate.js";
import { cdnTime } from "./timing.js";
import { WorkerLink, type WorkerListener } from "./worker-link.js";

/** Milliseconds in which the Worker takes leave after consent is withdrawn; the promise is 1 s. */
const LEAVE_WITHIN = 500;
/** Milliseconds after its start in which a Worker may find the content while wants wait for it. */
const FIND_WITHIN = 2000;
/** Milliseconds that a Worker always has to answer before the page looks after it. */
const LEAST_PATIENCE = 150;
const TICK = 1000;

/** `hls.p2p`. */
export class P2p extends EventTarget implements Broker, WorkerListener {
  readonly #options: P2pOptions;
  readonly #watch = new PlaybackWatch();
  readonly #suggested = new SuggestedBitrate();
  readonly #delay = new LiveDelay();
  readonly #refusal = new Refusal();
  readonly #said = new Set<string>();
  readonly #consent: Consent = { peers: false, upload: false };
  #hls: Hls | null = null;
  #defaults: HlsConfig | null = null;
  #fetcher: PageFetcher | null = null;
  #link: WorkerLink | null = null;
  #content: RunnelStats["content"] = null;
  #worker: WorkerStats | null = null;
  #why = "";
  /** Kinds of fragments of which the player has its first. */
  #begun = new Set<string>();
  /** The first picture is there. */
  #shown = false;
  /** `setConsent` was called: what the options say holds no longer. */
  #decided = false;
  /** Bytes that the player's own loader and Workers of before counted. */
  readonly #before: ByteCounts = noBytes();
  #reportedStalls = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Milliseconds that the player's own loader needed for its latest segment; 0 if for none. */
  #cdnTook = 0;
  #source = 0;
  #findBy = 0;

  constructor(options: P2pOptions) {
    super();
    this.#options = options;
  }

  /** What the site asked for. */
  get mode(): Mode {
    return this.#options.mode ?? "on";
  }

  /** The latest snapshot. */
  get stats(): RunnelStats {
    return this.#snapshot();
  }

  /**
   * Gives or withdraws consent. Withdrawn: the page plays plainly at once, and every connection
   * is closed within a second.
   */
  setConsent(consent: Partial<Consent>): void {
    Object.assign(this.#consent, consent);
    this.#decided = true;
    if (!this.#consent.peers) return this.#end(LEAVE_WITHIN, "no consent");
    if (this.#link) this.#link.tell({ kind: "consent", uplink: this.#uplink() });
    else this.#start();
  }

  override addEventListener<K extends keyof P2pEvents>(
    type: K,
    listener: (event: CustomEvent<P2pEvents[K]>) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: never,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener, options);
  }

  /** Follows this player from now on. Called once, by {@link withPeers}. */
  attach(hls: Hls, base: typeof Hls): void {
    this.#hls = hls;
    this.#defaults = base.DefaultConfig;
    this.#fetcher = new PageFetcher(hls.config);
    const { Events } = base;
    hls.on(Events.MANIFEST_LOADING, () => void this.#newSource());
    hls.on(Events.FRAG_BUFFERED, () => this.#pictureIsThere());
    hls.on(Events.MEDIA_ATTACHED, (_, { media }) => this.#watch.watch(media));
    hls.on(Events.MEDIA_DETACHING, () => this.#watch.unwatch());
    this.#timer = setInterval(() => this.#tick(), TICK);
  }

  /** Ends everything. Called by the player's `destroy`. */
  detach(): void {
    this.#source += 1;
    clearInterval(this.#timer);
    this.#watch.unwatch();
    this.#end(LEAVE_WITHIN, "the player was destroyed");
    this.#hls = null;
  }

  taskFor(context: FragmentLoaderContext): Task | null {
    const hls = this.#hls;
    const track = hls && trackOf(hls, context);
    if (!track) return null;
    const begun = this.#begun.has(context.frag.type);
    // Nothing is faster than the player's own first request.
    if (!begun && this.#startWait === 0) return null;
    if (begun) this.#pictureIsThere();
    const link = this.#link;
    if (!link?.isOpen) return null;
    const playhead = playheadOf(hls);
    const want = wantOf(link.nextId(), context, track, playhead, this.#cdnTook, this.#startWait);
    const waits = !want.urgent || want.mayWait > 0;
    const isFinding = waits && performance.now() < this.#findBy;
    if (!this.#content && !isFinding) return null;
    const { bps, ttfb } = this.bandwidth();
    const fromCdn = cdnTime((want.duration * track.bitrate) / 1000, bps, ttfb);
    const patience = Math.max(LEAST_PATIENCE, want.dueIn - fromCdn);
    this.#fetcher?.remember(want.id, context);
    const dueIn = Math.max(want.dueIn, patience);
    return { link, want, patience, dueIn, shadow: this.mode === "shadow" };
  }

  loadedPlainly(context: FragmentLoaderContext, bytes: number, took: number): void {
    this.#before.cdn += bytes;
    if (!this.#hls || typeof context.frag.sn !== "number") return;
    this.#begun.add(context.frag.type);
    this.#cdnTook = took;
    this.#link?.tell({ kind: "played", bytes });
    this.#segment(context, { cdn: bytes, waypoint: 0, peer: 0, rescued: false });
  }

  abortedPlainly(bytes: number): void {
    this.#before.cdn += bytes;
    this.#before.wasted += bytes;
  }

  loadedFromWorker(context: FragmentLoaderContext, message: DeliverMessage): void {
    const { fromCdn: cdn, fromWaypoints: waypoint, fromPeers: peer, rescued } = message;
    this.#segment(context, { cdn, waypoint, peer, rescued });
  }

  bandwidth(): { bps: number; ttfb: number } {
    const hls = this.#hls;
    const bps = hls?.bandwidthEstimate || hls?.config.abrEwmaDefaultEstimate || 1;
    return { bps, ttfb: hls?.ttfbEstimate ?? 0 };
  }

  heard(message: ToPage): void {
    switch (message.kind) {
      case "token":
        void this.#giveToken(message.jkt);
        break;
      case "opened":
        this.#content = { id: message.id, name: message.name };
        break;
      case "refused":
        this.#say(message.forGood ? "warn" : "info", `plain playback: ${message.why}`);
        break;
      case "stats":
        this.#worker = message.stats;
        break;
      case "event":
        if (message.name === "assigned") this.#treat(message.detail);
        this.#dispatch(message.name, message.detail);
        break;
      case "log":
        this.#say(message.level, message.text);
        break;
      case "fetch":
        void this.#fetchForWorker(message.fetch, message.want, message.offset, message.length);
        break;
      default:
    }
  }

  lost(why: string): void {
    this.#say("info", `plain playback: ${why}`);
    this.#forget(why);
  }

  async #newSource(): Promise<void> {
    this.#end(0, "");
    this.#begun = new Set();
    this.#cdnTook = 0;
    this.#shown = false;
    this.#source += 1;
    const source = this.#source;
    if (this.mode === "off") return void (this.#why = "mode: off");
    await this.#askForConsent();
    if (this.#source !== source) return;
    if (this.#startWait > 0) this.#shown = true;
    if (this.#consent.peers) this.#start();
    else this.#why = "no consent";
  }

  get #startWait(): number {
    return this.#options.startWait ?? 0;
  }

  async #askForConsent(): Promise<void> {
    const { consent, upload } = this.#options;
    if (this.#decided) return;
    if (consent === undefined) this.#say("info", "plain playback: p2p.consent is not set");
    const [peers, uploads] = await Promise.all([isGiven(consent), isGiven(upload)]);
    if (!this.#decided) Object.assign(this.#consent, { peers, upload: uploads });
  }

  /** Nothing competes with the player for a first picture that does not wait: the Worker starts after it. */
  #pictureIsThere(): void {
    if (this.#shown) return;
    this.#shown = true;
    if (this.#consent.peers) this.#start();
  }

  #start(): void {
    const message = this.#startMessage();
    if (!message || !this.#shown || this.mode === "off" || this.#link) return;
    const missing = whatIsMissing();
    if (missing) return this.lost(missing);
    try {
      this.#why = "";
      this.#findBy = performance.now() + Math.max(FIND_WITHIN, this.#startWait);
      this.#link = new WorkerLink(this.#options.workerUrl, message, this);
    } catch (error) {
      this.lost(`its Worker cannot be made (${String(error)})`);
    }
  }

  #startMessage(): StartMessage | null {
    const hls = this.#hls;
    if (!hls?.url || !this.#defaults) return null;
    const { coordinator, content, rootKey, token, wasmUrl } = this.#options;
    return {
      kind: "start",
      wasmUrl: wasmUrl === undefined ? null : new URL(wasmUrl, document.baseURI).href,
      coordinator: coordinatorUrl(coordinator, document.baseURI),
      content: content ?? null,
      masterUrl: new URL(hls.url, document.baseURI).href,
      rootKey: rootKey ?? null,
      group: groupOf(this.#options.group),
      hasTokens: token !== undefined,
      uplink: this.#uplink(),
      shadow: this.mode === "shadow",
      pageFetches: needsPage(hls.config, this.#defaults),
      canCall: canCall(),
    };
  }

  #end(graceMs: number, why: string): void {
    this.#link?.close(graceMs);
    this.#forget(why);
  }

  #forget(why: string): void {
    this.#link = null;
    this.#content = null;
    this.#why = why;
    if (this.#worker) add(this.#before, this.#worker.bytes);
    this.#worker = null;
    this.#treat(null);
  }

  /** What the player is asked to do beside its site's settings; `null` for nothing. */
  #treat(assigned: AssignedDetail | null): void {
    const { maxBitrate = null, behindSeconds = 0, ends = false } = assigned?.treatment ?? {};
    const rates = [assigned?.maxSuggestedBitrate ?? null, maxBitrate].filter((rate) => rate !== null);
    this.#suggested.ask(rates.length > 0 ? Math.min(...rates) : null);
    this.#delay.ask(behindSeconds);
    this.#refusal.ask(ends);
    if (this.#hls) this.#apply(this.#hls);
  }

  #apply(hls: Hls): void {
    this.#refusal.apply(hls);
    this.#suggested.apply(hls);
    const given = this.#delay.apply(hls);
    if (given !== null && given < this.#delay.asked)
      this.#say("info", `the playlist is too short for a delay of ${this.#delay.asked} s`);
  }

  #uplink(): number {
    return this.#consent.upload ? (this.#options.uploadRate ?? DEFAULT_UPLOAD_RATE) : 0;
  }

  async #giveToken(jkt: string): Promise<void> {
    const link = this.#link;
    const token = await tokenFor(this.#options.token, jkt);
    if (!token) this.#say("warn", "p2p.token gives no join token");
    link?.tell({ kind: "token", token });
  }

  async #fetchForWorker(fetch: number, want: number, offset: number, length: number) {
    const link = this.#link;
    const bytes = (await this.#fetcher?.fetch(want, offset, length)) ?? null;
    link?.tell({ kind: "fetched", fetch, bytes }, bytes ? [bytes] : []);
  }

  #segment(context: FragmentLoaderContext, bytes: Omit<SegmentDetail, "sn" | "track">): void {
    const sn = Number(context.frag.sn);
    const track = this.#hls ? trackOf(this.#hls, context) : null;
    this.#dispatch("segment", { sn, track: track?.label ?? context.frag.type, ...bytes });
  }

  #tick(): void {
    const hls = this.#hls;
    if (!hls) return;
    this.#apply(hls);
    const stalls = this.#watch.stalls - this.#reportedStalls;
    this.#reportedStalls = this.#watch.stalls;
    const buffer = playheadOf(hls).buffered * 1000;
    this.#link?.tell({ kind: "playback", buffer, stalls, rate: playedRate(hls) });
    this.#dispatch("stats", this.#snapshot());
  }

  #snapshot(): RunnelStats {
    const hls = this.#hls;
    const live = hls?.latestLevelDetails?.live ?? false;
    const worker = this.#worker;
    const bytes = { ...this.#before };
    if (worker) add(bytes, worker.bytes);
    return {
      at: performance.now(),
      mode: this.mode,
      consent: { ...this.#consent },
      coordinator: this.#link ? (worker?.coordinator ?? "connecting") : "off",
      peer: worker?.peer ?? null,
      type: worker?.type ?? null,
      why: worker?.why || this.#why,
      content: this.#content,
      bytes,
      links: worker?.links ?? [],
      assignment: worker?.assignment ?? null,
      buffer: {
        seconds: hls ? playheadOf(hls).buffered : 0,
        memoryBytes: worker?.memoryBytes ?? 0,
      },
      latencySeconds: live && hls ? hls.latency : null,
      stalls: this.#watch.stalls,
      strikes: worker?.strikes ?? 0,
    };
  }

  /** One line on the console for each thing there is to say. */
  #say(level: LogDetail["level"], text: string): void {
    if (this.#said.has(text)) return;
    this.#said.add(text);
    console[level](`Runnel: ${text}`);
    this.#dispatch("log", { level, text });
  }

  #dispatch<K extends keyof P2pEvents>(name: K, detail: P2pEvents[K]): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** What this browser lacks, in words; `null` if nothing. */
function whatIsMissing(): string | null {
  if (typeof Worker === "undefined") return "this browser has no Workers";
  if (typeof WebAssembly === "undefined") return "this browser has no WebAssembly";
  if (typeof WebTransport === "undefined" && !canCall()) {
    return "this browser has neither WebTransport nor WebRTC";
  }
  if (!globalThis.isSecureContext) return "the page is not served securely";
  return null;
}

function noBytes(): ByteCounts {
  return { cdn: 0, waypoint: 0, peer: 0, uploaded: 0, wasted: 0, control: 0 };
}

function add(total: ByteCounts, more: ByteCounts): void {
  for (const kind of Object.keys(total) as (keyof ByteCounts)[]) total[kind] += more[kind];
}
