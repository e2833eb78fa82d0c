/** hls.js' fragment loader: from peers where that is safe, else exactly what hls.js would do. */

import type {
  FragmentLoaderContext,
  HlsConfig,
  Loader,
  LoaderCallbacks,
  LoaderConfiguration,
  LoaderStats,
} from "hls.js";
import type { DeliverMessage, WantMessage } from "../messages.js";
import type { WantHandler, WorkerLink } from "./worker-link.js";
import { begun, cdnSpeed, delivered, waiting, type Timing } from "./timing.js";

type FragmentCallbacks = LoaderCallbacks<FragmentLoaderContext>;
export type FragmentLoaderClass = new (config: HlsConfig) => Loader<FragmentLoaderContext>;

/** A segment that peers may deliver. */
export interface Task {
  link: WorkerLink;
  want: WantMessage;
  /** Milliseconds from now after which the page looks whether the Worker is still there. */
  patience: number;
  /** Milliseconds until the player runs dry. */
  dueIn: number;
  /** Serve the player plainly all the same. */
  shadow: boolean;
}

/** What the loader asks of the session. */
export interface Broker {
  /** `null`: load it plainly. */
  taskFor(context: FragmentLoaderContext): Task | null;
  /** The player got it from the CDN by the plain loader, in this many milliseconds. */
  loadedPlainly(context: FragmentLoaderContext, bytes: number, took: number): void;
  /** The plain loader was stopped after this many bytes. */
  abortedPlainly(bytes: number): void;
  /** The player got it from the Worker. */
  loadedFromWorker(context: FragmentLoaderContext, message: DeliverMessage): void;
  /** Estimates for the player's bandwidth estimator. */
  bandwidth(): { bps: number; ttfb: number };
}

/** A loader class for hls.js' `fLoader`, bound to one player's session. */
export function fragmentLoader(broker: Broker, plain: FragmentLoaderClass): FragmentLoaderClass {
  return class extends PeerLoader {
    constructor(config: HlsConfig) {
      super(broker, new plain(config));
    }
  };
}

class PeerLoader implements Loader<FragmentLoaderContext>, WantHandler {
  context: FragmentLoaderContext | null = null;
  stats: LoaderStats;
  readonly #broker: Broker;
  readonly #plain: Loader<FragmentLoaderContext>;
  #config: LoaderConfiguration | null = null;
  #callbacks: FragmentCallbacks | null = null;
  #task: Task | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the CDN was first asked for some of it. */
  #askedCdn: number | null = null;

  constructor(broker: Broker, plain: Loader<FragmentLoaderContext>) {
    this.#broker = broker;
    this.#plain = plain;
    // The same object all along: hls.js keeps the reference that it takes before `load`.
    this.stats = plain.stats;
  }

  load(
    context: FragmentLoaderContext,
    config: LoaderConfiguration,
    callbacks: FragmentCallbacks,
  ): void {
    this.context = context;
    this.#config = config;
    this.#callbacks = callbacks;
    this.#askedCdn = null;
    const task = this.#broker.taskFor(context);
    if (!task) return this.#loadPlainly();
    if (task.shadow) {
      task.link.want(task.want, NOBODY);
      return this.#loadPlainly();
    }
    this.#task = task;
    this.#time(waiting(() => performance.now()));
    this.#timer = setTimeout(() => void this.#lookAfter(task), task.patience);
    task.link.want(task.want, this);
  }

  abort(): void {
    if (!this.#task) return this.#plain.abort();
    this.stats.aborted = true;
    this.#leavePeers();
    if (this.context) this.#callbacks?.onAbort?.(this.stats, this.context, null);
  }

  destroy(): void {
    this.#leavePeers();
    this.#callbacks = null;
    this.#config = null;
    this.context = null;
    this.#plain.destroy();
  }

  getCacheAge(): number | null {
    return this.#plain.getCacheAge?.() ?? null;
  }

  getResponseHeader(name: string): string | null {
    return this.#plain.getResponseHeader?.(name) ?? null;
  }

  delivered(message: DeliverMessage): void {
    const { context, stats } = this;
    const callbacks = this.#callbacks;
    this.#task = null;
    this.#leavePeers();
    if (!context || !callbacks) return;
    const size = message.bytes.byteLength;
    const { bps, ttfb } = this.#broker.bandwidth();
    const now = performance.now();
    const took = now - (this.#askedCdn ?? now);
    const speed = cdnSpeed(message.fromCdn, size, took, ttfb) ?? message.linkBps ?? bps;
    this.#time(delivered(size, speed, ttfb, now));
    stats.loaded = stats.total = size;
    stats.bwEstimate = speed;
    this.#broker.loadedFromWorker(context, message);
    callbacks.onProgress?.(stats, context, message.bytes, null);
    callbacks.onSuccess({ url: context.url, data: message.bytes, code: 200 }, stats, context, null);
  }

  declined(): void {
    this.#task = null;
    this.#leavePeers();
    if (this.context) this.#loadPlainly();
  }

  askingCdn(whole: boolean): void {
    const task = this.#task;
    if (!task) return;
    // From here on the CDN's speed counts, as it does without peers.
    this.#askedCdn ??= performance.now();
    if (whole) this.#time(begun(performance.now()));
    this.#waitNoLonger(task, this.#config?.loadPolicy.maxLoadTimeMs ?? 0);
  }

  #loadPlainly(): void {
    const { context } = this;
    const callbacks = this.#callbacks;
    if (!context || !this.#config || !callbacks) return;
    this.#time({ start: 0, first: 0, end: 0 });
    this.#plain.load(context, this.#config, {
      ...callbacks,
      onSuccess: (response, stats, answered, details) => {
        const { start, end } = stats.loading;
        this.#broker.loadedPlainly(answered, stats.loaded, end - start);
        callbacks.onSuccess(response, stats, answered, details);
      },
      onAbort: (stats, answered, details) => {
        this.#broker.abortedPlainly(stats.loaded);
        callbacks.onAbort?.(stats, answered, details);
      },
    });
  }

  /** The Worker is late: is it there at all? If it is, it has until the player runs dry. */
  async #lookAfter(task: Task): Promise<void> {
    if (!task.link.isOpened) return this.#waitNoLonger(task, 0);
    const alive = await task.link.isAlive();
    if (alive && this.#task === task) this.#waitNoLonger(task, task.dueIn - task.patience);
  }

  #waitNoLonger(task: Task, ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      task.link.abandon(task.want.id);
      this.declined();
    }, ms);
  }

  #leavePeers(): void {
    clearTimeout(this.#timer);
    this.#task?.link.abandon(this.#task.want.id);
    this.#task = null;
  }

  #time(timing: Timing): void {
    this.stats.loading = timing;
  }
}

/** Nobody waits for what is only counted. */
const NOBODY: WantHandler = { delivered() {}, declined() {}, askingCdn() {} };
