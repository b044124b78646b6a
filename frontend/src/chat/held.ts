// A message that waits for its limit to reset. It stays in this browser until it is sent.

import { forget, keep, recall, watch } from "../kept";

const NAME = "held";

export interface Held {
  text: string;
  atMs: number;
}

export function held(): Held | null {
  try {
    const found = JSON.parse(recall(NAME) ?? "null") as Held | null;
    return typeof found?.text === "string" && typeof found.atMs === "number" ? found : null;
  } catch {
    return null;
  }
}

export function hold(message: Held | null): void {
  if (message === null) forget(NAME);
  else keep(NAME, JSON.stringify(message));
}

/** The message, to one alone of all chats and windows that wait with it: it is sent once. */
export async function take(): Promise<Held | null> {
  const taken = (): Held | null => {
    const found = held();
    hold(null);
    return found;
  };
  const locks = globalThis.navigator?.locks as LockManager | undefined;
  return locks === undefined ? taken() : locks.request("scalix-free.held", taken);
}

/** Hear when another window keeps one, takes it back or sends it. Gives back what ends that. */
export function watchHeld(changed: () => void): () => void {
  return watch(NAME, changed);
}
