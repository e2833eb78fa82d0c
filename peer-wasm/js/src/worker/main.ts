/** The Worker's entry: starts the engine and passes the page's messages on to it. */

import init, { Engine } from "../../pkg/runnel.js";
import type { StartMessage, ToPage, ToWorker, WantMessage } from "../messages.js";
import { EarlyWants } from "./early.js";
import { Host } from "./host.js";
import { Keys } from "./keys.js";

/** Milliseconds between snapshots. */
const TICK = 1000;
const SEED = 32;

const post = (message: ToPage, transfer: Transferable[] = []) =>
  self.postMessage(message, { transfer });

const early = new EarlyWants();
let engine: Engine | null = null;
let host: Host | null = null;
/** What waits for the site's first join token. */
let firstToken = () => {};
let ticking: ReturnType<typeof setInterval> | undefined;

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === "start") {
    start(data).catch((error: unknown) => giveUp(`the peer did not start (${String(error)})`));
  } else {
    hear(data);
  }
};

async function start(message: StartMessage): Promise<void> {
  const wasmUrl = message.wasmUrl ?? new URL("./runnel.wasm", import.meta.url);
  const [wasm, keys] = await Promise.all([init({ module_or_path: wasmUrl }), Keys.generate()]);
  host = new Host(message, keys, { enter, post, settled });
  const seed = crypto.getRandomValues(new Uint8Array(SEED));
  const { rootKey, hasTokens, content, masterUrl, uplink, group } = message;
  engine = new Engine(host, keys.publicKey, seed, rootKey);
  if (group) enter((engine) => engine.group(group.text, group.strangers));
  enter((engine) => engine.open(content, masterUrl));
  const begin = () => enter((engine) => engine.consent(true, uplink));
  if (hasTokens) firstToken = begin;
  else begin();
  host.renewToken();
  const memory = () => wasm.memory.buffer.byteLength;
  ticking = setInterval(() => host && post({ kind: "stats", stats: host.stats(memory()) }), TICK);
}

function hear(message: Exclude<ToWorker, StartMessage>): void {
  switch (message.kind) {
    case "want":
      if (!early.keep(message, performance.now())) want(message);
      break;
    case "abandon":
      early.forget(message.id);
      enter((engine) => engine.abandon(message.id));
      host?.forget(message.id);
      break;
    case "consent":
      enter((engine) => engine.consent(true, message.uplink));
      break;
    case "token":
      enter((engine) => message.token && engine.token(message.token));
      firstToken();
      firstToken = () => {};
      break;
    case "playback":
      enter((engine) => engine.playback(message.buffer, message.stalls, message.rate));
      break;
    case "played":
      enter((engine) => engine.playedFromCdn(message.bytes));
      break;
    case "fetched":
      host?.fetchedByPage(message.fetch, message.bytes);
      break;
    case "channels":
      host?.channels(message.link, message.control, message.bulk);
      break;
    case "call-lost":
      host?.callLost(message.link);
      break;
    case "ping":
      post({ kind: "pong" });
      break;
    case "stop":
      stop();
  }
}

function want(message: WantMessage): void {
  host?.remember(message);
  if (enter((engine) => engine.want(message))) return;
  host?.forget(message.id);
  post({ kind: "declined", id: message.id });
}

/** The content is known, or will not be soon: early wants are the engine's, or the page's again. */
function settled(): void {
  queueMicrotask(() => early.release(performance.now()).forEach(want));
}

/** One turn of the engine. One that traps is not entered again. */
function enter<T>(turn: (engine: Engine) => T): T | undefined {
  if (!engine) return undefined;
  try {
    return turn(engine);
  } catch (error) {
    engine = null;
    giveUp(`the peer failed (${String(error)})`);
    return undefined;
  }
}

/** Tells everybody and closes everything. */
function stop(): void {
  enter((engine) => engine.drain());
  enter((engine) => engine.consent(false, 0));
  engine = null;
  clearInterval(ticking);
  host?.close();
  host = null;
}

function giveUp(why: string): void {
  stop();
  post({ kind: "unavailable", why });
}
