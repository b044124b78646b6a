// A message that waits for its limit to reset. It stays in this browser until it is sent.

import { forget, keep, recall } from "../kept";

export interface Held {
  text: string;
  atMs: number;
}

export function held(): Held | null {
  try {
    const found = JSON.parse(recall("held") ?? "null") as Held | null;
    return typeof found?.text === "string" && typeof found.atMs === "number" ? found : null;
  } catch {
    return null;
  }
}

export function hold(message: Held | null): void {
  if (message === null) forget("held");
  else keep("held", JSON.stringify(message));
}
