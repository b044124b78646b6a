import assert from "node:assert/strict";
import { test } from "node:test";
import type { Limits, Window } from "../src/shapes";
import { crossed, levelOf, standing } from "../src/standing";

const RESET = "2026-11-26T15:00:00Z";

function window(name: string, used: number, limit: number | null): Window {
  const unit = name.startsWith("tokens") ? "tokens" : name === "concurrent" ? "calls" : "requests";
  const remaining = limit === null ? null : limit - used;
  return { name, unit, used, limit, remaining, resets_at: used > 0 ? RESET : null };
}

function limits(hour: number, day: number, tokens: number, rest: Partial<Limits> = {}): Limits {
  const windows = [
    window("requests_hour", hour, 5),
    window("requests_day", day, 20),
    window("tokens_day", tokens, 5_000),
    window("concurrent", 0, 2),
  ];
  const binding = 5 - hour < 20 - day ? "requests_hour" : "requests_day";
  const remaining = Math.min(5 - hour, 20 - day);
  return {
    tier: "anonymous",
    windows,
    binding,
    remaining_requests: remaining,
    reset_time: RESET,
    near_limit: remaining <= Math.min(5, binding === "requests_hour" ? 1.25 : 5),
    upgrade_prompt: false,
    ...rest,
  };
}

function at(hour: number, day: number, tokens: number) {
  const found = standing(limits(hour, day, tokens));
  assert.ok(found);
  return found;
}

test("what is left today is of the day, whatever binds", () => {
  const now = at(3, 3, 0);

  assert.equal(now.remaining, 17);
  assert.equal(now.tighter?.name, "requests_hour");
});

test("the day alone needs no second line", () => {
  assert.equal(at(0, 18, 0).tighter, null);
});

test("tokens that are nearly used stop their caller first", () => {
  assert.equal(at(1, 1, 4_900).tighter?.name, "tokens_day");
  assert.equal(at(5, 5, 4_000).tighter?.name, "requests_hour");
});

test("an empty window is the end, also one of tokens", () => {
  assert.equal(at(5, 5, 0).empty, true);
  assert.equal(at(1, 1, 5_000).empty, true);
  assert.equal(at(4, 4, 0).empty, false);
});

test("at 75 and at 90 per cent the colour changes", () => {
  assert.deepEqual([0, 0.749, 0.75, 0.899, 0.9, 1].map(levelOf), ["ok", "ok", "amber", "amber", "red", "red"]);
});

test("without limits nothing is short", () => {
  const now = standing({
    ...limits(0, 0, 0),
    tier: "pro",
    windows: [window("requests_day", 90, null), window("tokens_day", 1_000_000, null)],
    binding: null,
    remaining_requests: null,
    reset_time: null,
    near_limit: false,
  });

  assert.equal(now?.remaining, null);
  assert.equal(now?.level, "ok");
  assert.equal(now?.empty, false);
});

test("the plan's shape of a host is enough", () => {
  const now = standing({ requestsToday: 45, tokensUsed: 9_000, resetTime: RESET, remainingRequests: 5, nearLimit: true });

  assert.equal(now?.remaining, 5);
  assert.equal(now?.near, true);
  assert.equal(now?.day?.used, 45);
  assert.equal(now?.day?.limit, null);
  assert.equal(now?.resetAt, "2026-11-26T15:00:00.000Z");
});

test("a host that knows the limits hands them on", () => {
  const now = standing({ requestsToday: 45, requestsLimit: 50, tokensUsed: 9_000, tokensLimit: 10_000 });

  assert.equal(now?.day?.remaining, 5);
  assert.equal(now?.level, "red");
});

test("a host may hand over several answers at once", () => {
  assert.equal(standing({ limits: limits(1, 1, 0) })?.remaining, 19);
  assert.equal(standing({ usage: { days: [], receipts: [] } }), null);
  assert.equal(standing(null), null);
});

test("each threshold is crossed once, on the way up", () => {
  const seen = [at(0, 0, 0), at(4, 4, 0), at(4, 4, 0), at(5, 5, 0), at(5, 5, 0), at(0, 5, 0)];
  const lines = seen.map((now, index) => crossed(seen[index - 1] ?? null, now));

  assert.deepEqual(lines, [null, "near_limit", null, "at_limit", null, "reset"]);
});

test("colours are crossed upwards alone", () => {
  assert.equal(crossed(at(0, 0, 0), at(0, 0, 3_800)), "amber");
  assert.equal(crossed(at(0, 0, 3_800), at(0, 0, 4_600)), "red");
  assert.equal(crossed(at(0, 0, 4_600), at(0, 0, 3_800)), null);
});
