// When to speak of Pro: four triggers, each with its cap. Pure, over a memory that the browser keeps.

import { keep, recall } from "./kept";
import type { Offer } from "./shapes";

export type Trigger = "FIRST_REQUEST" | "NEAR_LIMIT" | "AT_LIMIT" | "QUALITY_ISSUE";

/** What a person reads first; the offer of the service has more. */
export const TITLES: Record<Trigger, string> = {
  FIRST_REQUEST: "Welcome! Try Scalix Free",
  NEAR_LIMIT: "Almost out of free requests",
  AT_LIMIT: "Upgrade to continue using Scalix",
  QUALITY_ISSUE: "Get better responses with Pro",
};

/** Under which name the offer has the words beside each title. */
export const SCENARIOS: Record<Trigger, string> = {
  FIRST_REQUEST: "FIRST_REQUEST",
  NEAR_LIMIT: "NEAR_LIMIT",
  AT_LIMIT: "LIMIT_EXCEEDED",
  QUALITY_ISSUE: "QUALITY_UPGRADE",
};

export function titleOf(trigger: Trigger, offer: Offer | null): string {
  return offer?.texts?.[trigger] ?? TITLES[trigger];
}

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;

export interface Memory {
  /** Whether the first answer was greeted: once ever. */
  greeted: boolean;
  /** Which windows were warned of, and until when that counts. */
  warned: Record<string, number>;
  /** The day (since 1970) on which quality was last spoken of. */
  qualityDay: number;
  /** When a sale was last sent away. */
  dismissedMs: number;
}

export const NOTHING: Memory = { greeted: false, warned: {}, qualityDay: -1, dismissedMs: -Infinity };

export interface Occasion {
  trigger: Trigger;
  nowMs: number;
  /** The window of a warning, and when it gives something back. */
  window?: string;
  resetMs?: number;
}

/** Whether it may be said, and what is remembered if it is. */
export function consider(memory: Memory, occasion: Occasion): Memory | null {
  const { trigger, nowMs } = occasion;
  switch (trigger) {
    case "AT_LIMIT":
      return memory;
    case "FIRST_REQUEST":
      return memory.greeted ? null : { ...memory, greeted: true };
    case "NEAR_LIMIT": {
      const window = occasion.window ?? "";
      if (isDismissed(memory, nowMs) || (memory.warned[window] ?? 0) > nowMs) return null;
      const until = Math.max(occasion.resetMs ?? 0, nowMs + 60_000);
      return { ...memory, warned: { ...memory.warned, [window]: until } };
    }
    case "QUALITY_ISSUE": {
      const day = Math.floor(nowMs / DAY_MS);
      return memory.qualityDay === day ? null : { ...memory, qualityDay: day };
    }
  }
}

/** For a week after it was sent away the count stays, and the sale does not. */
export function isDismissed(memory: Memory, nowMs: number): boolean {
  return nowMs - memory.dismissedMs < WEEK_MS;
}

export function dismissed(memory: Memory, nowMs: number): Memory {
  return { ...memory, dismissedMs: nowMs };
}

const NAME = "prompts";

export function remembered(): Memory {
  try {
    const found = JSON.parse(recall(NAME) ?? "{}") as Partial<Memory>;
    return { ...NOTHING, ...found, dismissedMs: found.dismissedMs ?? -Infinity };
  } catch {
    return NOTHING;
  }
}

export function remember(memory: Memory): void {
  keep(NAME, JSON.stringify(memory));
}

/** Whether this may be said now; if so, it counts as said. */
export function may(occasion: Occasion): boolean {
  const after = consider(remembered(), occasion);
  if (after === null) return false;
  remember(after);
  return true;
}
