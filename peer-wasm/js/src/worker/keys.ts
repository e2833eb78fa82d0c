/** Ed25519 by WebCrypto: the session's own key, which cannot be exported, and checks of others'. */

const ALGORITHM = "Ed25519";
/** Keys of others that are kept imported: coordinator, root, stream keys. */
const MOST_IMPORTED = 64;

export class Keys {
  /** The session's public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly #pair: CryptoKeyPair;
  readonly #imported = new Map<string, Promise<CryptoKey>>();

  private constructor(pair: CryptoKeyPair, publicKey: Uint8Array) {
    this.#pair = pair;
    this.publicKey = publicKey;
  }

  /** A fresh key. Rejects where the browser has no Ed25519. */
  static async generate(): Promise<Keys> {
    const pair = (await crypto.subtle.generateKey(ALGORITHM, false, [
      "sign",
      "verify",
    ])) as CryptoKeyPair;
    return new Keys(pair, new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)));
  }

  /** The public key's thumbprint as a JWK (RFC 7638; RFC 8037, appendix A.3). */
  async thumbprint(): Promise<string> {
    const { x } = await crypto.subtle.exportKey("jwk", this.#pair.publicKey);
    return thumbprintOf(x);
  }

  async sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    return new Uint8Array(await crypto.subtle.sign(ALGORITHM, this.#pair.privateKey, message));
  }

  /** Whether `key` made `signature` over `message`; a key that is none made nothing. */
  async check(
    key: Uint8Array<ArrayBuffer>,
    message: Uint8Array<ArrayBuffer>,
    signature: Uint8Array<ArrayBuffer>,
  ): Promise<boolean> {
    try {
      return await crypto.subtle.verify(ALGORITHM, await this.#import(key), signature, message);
    } catch {
      return false;
    }
  }

  #import(key: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
    const name = key.join();
    let imported = this.#imported.get(name);
    if (!imported) {
      if (this.#imported.size >= MOST_IMPORTED) this.#imported.clear();
      imported = crypto.subtle.importKey("raw", key, ALGORITHM, false, ["verify"]);
      this.#imported.set(name, imported);
    }
    return imported;
  }
}

/** The thumbprint of the Ed25519 key whose JWK has this `x`. */
export async function thumbprintOf(x: string | undefined): Promise<string> {
  const canonical = new TextEncoder().encode(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", canonical));
  const base64 = btoa(String.fromCharCode(...hash));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace("=", "");
}
