import { FreeApiError } from "./errors.js";
import type { Challenge } from "./shapes.js";

/** So many tries are under way at once; each is a round through the browser's threads. */
const AT_ONCE = 16;

/**
 * Solve an ALTCHA v2 challenge: the payload that pays for it.
 *
 * Takes about half a second at the base price; the price doubles for addresses that begin many
 * sessions. `proof_failed` where it takes longer than `longestMs`, or where it cannot be done here.
 */
export async function solve(
  challenge: Challenge,
  longestMs: number,
  signal?: AbortSignal,
): Promise<string> {
  const { parameters } = challenge;
  const hash = /^PBKDF2\/(SHA-(?:256|384|512))$/.exec(parameters.algorithm)?.[1];
  if (hash === undefined) throw failed(`${parameters.algorithm} is not known here`);
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) {
    throw failed("crypto.subtle is missing: it needs https or localhost, and Node 20 or newer");
  }
  const nonce = unhex(parameters.nonce);
  const salt = unhex(parameters.salt);
  const derive = async (counter: number): Promise<string> => {
    const password = new Uint8Array(nonce.length + 4);
    password.set(nonce);
    new DataView(password.buffer).setUint32(nonce.length, counter);
    const key = await subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
    const how = { name: "PBKDF2", hash, salt, iterations: parameters.cost };
    return hex(new Uint8Array(await subtle.deriveBits(how, key, parameters.keyLength * 8)));
  };

  const begun = Date.now();
  for (let first = 0; ; first += AT_ONCE) {
    signal?.throwIfAborted();
    if (Date.now() - begun > longestMs) {
      throw failed(`it takes longer than ${longestMs / 1000} s`);
    }
    const keys = await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => derive(first + n)));
    const found = keys.findIndex((key) => key.startsWith(parameters.keyPrefix.toLowerCase()));
    if (found >= 0) {
      const solution = { counter: first + found, derivedKey: keys[found] };
      return btoa(JSON.stringify({ challenge, solution }));
    }
  }
}

function failed(why: string): FreeApiError {
  return new FreeApiError(`The proof of work for a session could not be given: ${why}.`, {
    code: "proof_failed",
  });
}

function unhex(digits: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(digits.length / 2);
  for (let n = 0; n < bytes.length; n++) bytes[n] = parseInt(digits.slice(2 * n, 2 * n + 2), 16);
  return bytes;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
