import assert from "node:assert/strict";
import { test } from "node:test";
import type { Window } from "../src/shapes";
import { clock, count, left, money, ofLimit, plural, sentence, short, wait } from "../src/words";

const NOW = new Date("2026-11-26T12:00:00Z");
const WINDOW: Window = { name: "tokens_day", unit: "tokens", used: 1_200, limit: 10_000, remaining: 8_800, resets_at: null };

test("numbers are grouped", () => {
  assert.equal(count(10_000), "10,000");
  assert.equal(ofLimit(WINDOW), "1,200/10,000");
  assert.equal(ofLimit({ ...WINDOW, limit: null }), "1,200");
  assert.equal(plural(1, "request"), "1 request");
  assert.equal(plural(2_000, "token"), "2,000 tokens");
});

test("long numbers are rounded down, so that nothing is promised", () => {
  assert.deepEqual([0, 999, 1_000, 2_190, 6_400, 15_900].map(short), ["0", "999", "1 k", "2.1 k", "6.4 k", "15 k"]);
});

test("waits are rounded up", () => {
  const after = (seconds: number) => wait(new Date(NOW.valueOf() + seconds * 1_000).toISOString(), NOW);

  assert.deepEqual([-5, 0, 40, 60, 61, 3_600, 7_500, 180_000].map(after), [
    "now", "now", "in 40 s", "in 1 min", "in 2 min", "in 1 h", "in 2 h 5 min", "in 3 days",
  ]);
});

test("another day is named", () => {
  assert.match(clock(NOW.toISOString(), NOW), /^\d\d:\d\d/);
  assert.match(clock("2026-11-28T12:00:00Z", NOW), /Sat/);
  assert.equal(clock("never", NOW), "N/A");
});

test("a window says what is left of it", () => {
  assert.equal(left(WINDOW), "8,800 of 10,000 tokens left today");
  assert.equal(left({ ...WINDOW, name: "requests_hour", unit: "requests", limit: 5, remaining: 2 }), "2 of 5 left this hour");
});

test("money stays the text that it was", () => {
  assert.equal(money("14.995", "usd"), "$14.995");
  assert.equal(money("29.99", "CHF"), "29.99 CHF");
});

test("what an operator words ends with one full stop", () => {
  assert.deepEqual(["Upgrade to continue", "Upgrade to continue. ", "Upgrade now!"].map(sentence), [
    "Upgrade to continue.",
    "Upgrade to continue.",
    "Upgrade now!",
  ]);
});
