// The two lines that say what is left, in the banner and under the composer of the chat.

import { html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { moment } from "./element";
import type { Standing } from "./standing";
import { clock, left } from "./words";

export function tierOf(now: Standing): string {
  return now.tier === "pro" ? "Pro" : "🚀 Free Tier";
}

export function remaining(now: Standing): string {
  if (now.remaining === null) return "Requests: Included";
  return `${now.remaining} ${now.remaining === 1 ? "request" : "requests"} remaining today`;
}

/** The window that stops its caller before the day does, and when it gives something back. */
export function tighter(now: Standing): TemplateResult | typeof nothing {
  const window = now.tighter ?? (now.empty || now.near ? now.day : null);
  if (window === null) return nothing;
  const { resets_at } = window;
  if (now.tighter === null && resets_at === null) return nothing;
  const again = resets_at === null ? nothing : html`next at ${moment(resets_at, clock(resets_at, new Date()))}`;
  const what = now.tighter === null ? nothing : `${left(window)}${resets_at === null ? "" : ", "}`;
  return html`<span class="muted" part="window">${what}${again}</span>`;
}

/** The trigger that this standing is worth, if any. */
export function triggerOf(now: Standing): "NEAR_LIMIT" | "AT_LIMIT" | null {
  return now.empty ? "AT_LIMIT" : now.near ? "NEAR_LIMIT" : null;
}
