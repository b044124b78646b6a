import assert from "node:assert/strict";
import { test } from "node:test";
import { NOTHING, consider, dismissed, isDismissed } from "../src/prompts";
import type { Memory, Occasion, Trigger } from "../src/prompts";
import { discountWords, priceWords } from "../src/price";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const NOON = 20_000 * DAY_MS + 12 * HOUR_MS;

/** Whether each occasion may be said, one after the other. */
function said(occasions: Partial<Occasion>[], memory: Memory = NOTHING): boolean[] {
  return occasions.map((occasion) => {
    const after = consider(memory, { trigger: "FIRST_REQUEST", nowMs: NOON, ...occasion });
    memory = after ?? memory;
    return after !== null;
  });
}

function near(window: string, nowMs: number): Partial<Occasion> {
  return { trigger: "NEAR_LIMIT", window, nowMs, resetMs: nowMs + HOUR_MS };
}

test("the first answer is greeted once ever", () => {
  assert.deepEqual(said([{}, {}, { nowMs: NOON + 400 * DAY_MS }]), [true, false, false]);
});

test("a warning is given once for each window until it resets", () => {
  assert.deepEqual(
    said([near("requests_hour", NOON), near("requests_hour", NOON + 1_000), near("requests_day", NOON), near("requests_hour", NOON + HOUR_MS)]),
    [true, false, true, true],
  );
});

test("a sale that was sent away stays away for a week", () => {
  const after = dismissed(NOTHING, NOON);

  assert.deepEqual(said([near("requests_day", NOON + 6 * DAY_MS), near("requests_day", NOON + 7 * DAY_MS)], after), [false, true]);
  assert.equal(isDismissed(NOTHING, NOON), false);
});

test("quality is spoken of once a day", () => {
  const quality = (nowMs: number) => ({ trigger: "QUALITY_ISSUE" as Trigger, nowMs });

  assert.deepEqual(said([quality(NOON), quality(NOON + HOUR_MS), quality(NOON + DAY_MS)]), [true, false, true]);
});

test("at the limit it is said at every refusal", () => {
  assert.deepEqual(said([{ trigger: "AT_LIMIT" }, { trigger: "AT_LIMIT" }]), [true, true]);
});

test("a price says what it becomes", () => {
  const price = { base: "29.99", price: "14.99", renewal: "29.99", discounts: [] };

  assert.equal(priceWords(price, "USD", "month"), "$14.99 for the first month, then $29.99 a month");
  assert.equal(priceWords({ ...price, price: "29.99" }, "USD", "month"), "$29.99 a month");
  assert.equal(
    discountWords({ code: "first_month", kind: "promotion", percent: 50, reason: "50 % off the first month", expires_at: null }),
    "50 % off the first month.",
  );
  assert.match(
    discountWords({ code: "near_limit", kind: "personal", percent: 10, reason: "You are near your limit.", expires_at: "2026-12-01T12:00:00Z" }),
    /^10 % off: You are near your limit\. Until .*2026\.$/,
  );
});
