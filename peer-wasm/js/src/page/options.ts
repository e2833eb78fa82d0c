/** What a site may say about its peers. */

import type { Mode } from "../stats.js";

/** A consent: given, not given, or to be asked for. */
export type ConsentOption = boolean | (() => boolean | Promise<boolean>);

/** What a join token is to be minted for. */
export interface TokenRequest {
  /** Thumbprint (RFC 7638) of this session's key: the token's `cnf.jkt`. */
  jkt: string;
}

/** A join token, or what asks the site's server for one. */
export type TokenOption = string | ((request: TokenRequest) => string | Promise<string>);

/** The `p2p` part of the player's configuration. */
export interface P2pOptions {
  /** The coordinator: `wss://host`, `https://host` (the path `/v1/peer` is added), or in full. */
  coordinator: string;
  /** Name under which the content is registered. Default: found by the playlist's URL. */
  content?: string;
  /** See {@link Mode}. Default `on`. */
  mode?: Mode;
  /** Whether other peers may be contacted. Default: no. */
  consent?: ConsentOption;
  /** Whether media may be uploaded to them. Default: no. */
  upload?: ConsentOption;
  /** Most that is uploaded, in bits per second. Default 2 Mbit/s. */
  uploadRate?: number;
  /**
   * Most that a first picture waits for peers where the operator's policy has it wait, in
   * milliseconds. Default 0: the CDN answers at once, and the Worker starts after it.
   */
  startWait?: number;
  /** The operator's root key, 64 hexadecimal digits. Default: the coordinator's word is taken. */
  rootKey?: string;
  /**
   * The provider's join token, where the operator asks for one. A function is called again before a
   * token expires, and after one was refused.
   */
  token?: TokenOption;
  /**
   * Friends who feed each other first: the invitation to a group (32 hexadecimal digits), or the name of one to
   * make, with its rule about strangers (default `yes`). The event `group` tells what came of it.
   */
  group?: string | { name: string; strangers?: "yes" | "last" | "no" };
  /** Where `worker.js` is, if not beside this module. */
  workerUrl?: string | URL;
  /** Where `runnel.wasm` is, if not beside the Worker. */
  wasmUrl?: string | URL;
}

/** Bits per second that a consent to upload allows, where the site names no other rate. */
export const DEFAULT_UPLOAD_RATE = 2_000_000;
const PEER_DOOR = "/v1/peer";

/**
 * The coordinator's WebSocket URL.
 * @throws TypeError if `text` is no URL.
 */
export function coordinatorUrl(text: string, base?: string): string {
  const url = new URL(text, base);
  url.protocol = url.protocol.replace(/^http/, "ws");
  if (url.pathname === "/") url.pathname = PEER_DOOR;
  return url.href;
}

/** The Worker's words for a group; `null` where there is none. */
export function groupOf(group: P2pOptions["group"]) {
  if (!group) return null;
  if (typeof group === "string") return { text: group, strangers: 0 };
  return { text: group.name, strangers: ["yes", "last", "no"].indexOf(group.strangers ?? "yes") + 1 };
}

/** Asks for a consent; whatever is not a clear yes is a no. */
export async function isGiven(consent: ConsentOption | undefined): Promise<boolean> {
  try {
    return (typeof consent === "function" ? await consent() : consent) === true;
  } catch {
    return false;
  }
}

/** The join token for this key; `null` where the site gives none. */
export async function tokenFor(option: TokenOption | undefined, jkt: string) {
  try {
    return (typeof option === "function" ? await option({ jkt }) : option) || null;
  } catch {
    return null;
  }
}
