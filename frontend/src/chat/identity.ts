// An anonymous session of this browser, so that its receipts are its own. Without one the address counts.

import { forget, keep, recall } from "../kept";
import type { Service } from "../service";

const GOOD_UNTIL = "session-until";
const NOT_BEFORE = "session-not-before";
/** Who gets none, since a proof of work is due or nobody answers, asks again after that long. */
const PATIENCE_MS = 3_600_000;

/** Begin one where none is known to be good. The browser keeps its cookie. */
export async function begin(service: Pick<Service, "session">, nowMs: number = Date.now()): Promise<void> {
  if (at(GOOD_UNTIL) > nowMs || at(NOT_BEFORE) > nowMs) return;
  try {
    keep(GOOD_UNTIL, String(Date.parse((await service.session()).expires_at)));
  } catch {
    keep(NOT_BEFORE, String(nowMs + PATIENCE_MS));
  }
}

/** An answer came without it: it was deleted, or the cookie was. The next question begins another. */
export function lost(): void {
  forget(GOOD_UNTIL);
}

function at(name: string): number {
  return Number(recall(name) ?? 0);
}
