export async function signWithFreshKey(message) {
  const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  const key = await crypto.subtle.exportKey("raw", pair.publicKey);
  const signature = await crypto.subtle.sign("Ed25519", pair.privateKey, message);
  return [new Uint8Array(key), new Uint8Array(signature)];
}
