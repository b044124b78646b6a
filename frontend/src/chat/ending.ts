// How an answer ended, by what was thrown.

import { Refused } from "../service";
import type { ServiceError } from "../shapes";
import { isAtLimit } from "./conversation";
import { Broken } from "./source";

export type End =
  | { state: "done" | "stopped"; error: null }
  /** `refused` is for a limit that lasts. */
  | { state: "cut" | "failed" | "refused"; error: ServiceError };

export const DONE: End = { state: "done", error: null };

export function endOf(thrown: unknown, signal: AbortSignal): End {
  if (signal.aborted) return { state: "stopped", error: null };
  if (thrown instanceof Broken) return { state: "cut", error: thrown.error };
  if (thrown instanceof Refused) {
    const { error } = thrown;
    return { state: isAtLimit(error) ? "refused" : "failed", error };
  }
  const message = thrown instanceof Error ? thrown.message : "Failed to generate response";
  return { state: "failed", error: { message, code: null } };
}
