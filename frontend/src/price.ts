// Prices in words. Money stays the text that the service wrote. Pure.

import type { Discount, Price } from "./shapes";
import { money } from "./words";

export type Interval = "month" | "year";

export function isReduced({ base, price }: Price): boolean {
  return price !== base;
}

/** "$14.99 for the first month, then $29.99 a month"; "$29.99 a month" where nothing is taken off. */
export function priceWords({ price, renewal }: Price, currency: string, interval: Interval): string {
  const each = `${money(renewal, currency)} a ${interval}`;
  return price === renewal ? each : `${money(price, currency)} for the first ${interval}, then ${each}`;
}

/** "10 % off: You are near your limit. Until 1 December." */
export function discountWords({ percent, reason, expires_at }: Discount): string {
  const because = reason.replace(/[.\s]+$/, "");
  const off = `${percent} % off`;
  const sentence = because === "" ? off : because.startsWith(off) ? because : `${off}: ${because}`;
  return `${sentence}.${expires_at === null ? "" : ` Until ${dateOf(expires_at)}.`}`;
}

function dateOf(iso: string): string {
  const at = new Date(iso);
  if (Number.isNaN(at.valueOf())) return iso;
  return at.toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" });
}
