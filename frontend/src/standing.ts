// Where somebody stands: their windows, and what deserves to be said about them. Pure.

import type { Data, HostData, HostUsage, Limits, UsageLog, Offer, UsageReport, Window } from "./shapes";

/** From here on, and from there on, the colour changes; nothing else does. */
export const AMBER = 0.75;
export const RED = 0.9;

export type Level = "ok" | "amber" | "red";

export interface Standing {
  tier: string | null;
  windows: Window[];
  /** The requests of the day, where they are known. */
  day: Window | null;
  tokens: Window | null;
  /** What is left today: of the day's window, or what a host says. Null is unlimited. */
  remaining: number | null;
  near: boolean;
  empty: boolean;
  /** When the binding window gives something back, ISO 8601. */
  resetAt: string | null;
  /** The window, other than the day's requests, that stops its caller first. */
  tighter: Window | null;
  level: Level;
}

/** A host may hand over one answer of the service, or several under their names. */
export function parts(data: Data | null | undefined): HostData {
  if (data === null || data === undefined) return {};
  if ("limits" in data || "usage" in data || "offer" in data) return data as HostData;
  const limits = data as Limits | HostUsage;
  return "days" in data ? { limits, usage: data as UsageReport } : { limits };
}

export function usageLog(data: Data | null | undefined): UsageLog | null {
  return parts(data).usage ?? null;
}

export function offerOf(data: Data | null | undefined): Offer | null {
  return parts(data).offer ?? null;
}

export function standing(data: Data | null | undefined): Standing | null {
  const { limits } = parts(data);
  if (limits === undefined) return null;
  return "tier" in limits ? ofLimits(limits as Limits) : ofHost(limits as HostUsage);
}

function ofLimits(limits: Limits): Standing {
  const { windows } = limits;
  const day = named(windows, "requests_day");
  return judged(windows, {
    tier: limits.tier,
    binding: limits.binding,
    remaining: day === null ? limits.remaining_requests : day.remaining,
    near: limits.near_limit,
    resetAt: limits.reset_time,
  });
}

function ofHost(usage: HostUsage): Standing {
  const windows = usage.windows ?? windowsOfHost(usage);
  return judged(windows, {
    tier: null,
    binding: null,
    remaining: usage.remainingRequests ?? named(windows, "requests_day")?.remaining ?? null,
    near: usage.nearLimit ?? false,
    resetAt: isoOf(usage.resetTime),
  });
}

function windowsOfHost(usage: HostUsage): Window[] {
  const resets_at = isoOf(usage.resetTime);
  const made = (name: string, unit: Window["unit"], used: number, limit: number | null | undefined) => ({
    name,
    unit,
    used,
    limit: limit ?? null,
    remaining: limit === null || limit === undefined ? null : Math.max(0, limit - used),
    resets_at,
  });
  return [
    made("requests_day", "requests", usage.requestsToday ?? 0, usage.requestsLimit),
    made("tokens_day", "tokens", usage.tokensUsed ?? 0, usage.tokensLimit),
  ];
}

interface Told {
  tier: string | null;
  binding: string | null;
  remaining: number | null;
  near: boolean;
  resetAt: string | null;
}

function judged(windows: Window[], told: Told): Standing {
  const limited = windows.filter((window) => window.unit !== "calls" && window.limit !== null);
  return {
    tier: told.tier,
    windows,
    day: named(windows, "requests_day"),
    tokens: named(windows, "tokens_day"),
    remaining: told.remaining,
    near: told.near,
    empty: told.remaining === 0 || limited.some((window) => window.remaining === 0),
    resetAt: told.resetAt,
    tighter: tighterThanTheDay(limited, told.binding),
    level: levelOf(Math.max(0, ...limited.map(share))),
  };
}

/** The hour where requests bind there, and tokens where they are nearly used and bind harder. */
function tighterThanTheDay(limited: Window[], binding: string | null): Window | null {
  const tokens = named(limited, "tokens_day");
  const requests = binding === null ? null : named(limited, binding);
  const shareOfRequests = requests === null ? 0 : share(requests);
  if (tokens !== null && share(tokens) >= AMBER && share(tokens) > shareOfRequests) return tokens;
  return requests === null || requests.name === "requests_day" ? null : requests;
}

export function share(window: Window): number {
  if (window.limit === null) return 0;
  return window.limit === 0 ? 1 : Math.min(1, window.used / window.limit);
}

export function levelOf(used: number): Level {
  return used >= RED ? "red" : used >= AMBER ? "amber" : "ok";
}

function named(windows: Window[], name: string): Window | null {
  return windows.find((window) => window.name === name) ?? null;
}

function isoOf(time: string | number | Date | null | undefined): string | null {
  if (time === null || time === undefined) return null;
  const date = new Date(time);
  return Number.isNaN(date.valueOf()) ? null : date.toISOString();
}

export type Threshold = "amber" | "red" | "near_limit" | "at_limit" | "reset";

const GRADES: Record<Level, number> = { ok: 0, amber: 1, red: 2 };

/** The most important line that was crossed between two looks; the first look crosses those it finds. */
export function crossed(before: Standing | null, now: Standing): Threshold | null {
  if (now.empty && !before?.empty) return "at_limit";
  if (!now.empty && before?.empty) return "reset";
  if (now.near && !before?.near) return "near_limit";
  if (GRADES[now.level] > GRADES[before?.level ?? "ok"]) return now.level as "amber" | "red";
  return null;
}
