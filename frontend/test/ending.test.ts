import assert from "node:assert/strict";
import { test } from "node:test";
import { endOf } from "../src/chat/ending";
import { Broken } from "../src/chat/source";
import { Refused } from "../src/service";

const GOING = new AbortController().signal;
const WORDS = { message: "No.", code: null };

test("whatever is thrown once somebody stopped is their stopping", () => {
  assert.deepEqual(endOf(new Broken(WORDS), AbortSignal.abort()), { state: "stopped", error: null });
});

test("a break, a limit that lasts, and every other refusal are three things", () => {
  const limit = { message: "Full.", code: "free_tier_daily_limit" };
  assert.equal(endOf(new Broken(WORDS), GOING).state, "cut");
  assert.equal(endOf(new Refused(429, limit), GOING).state, "refused");
  assert.equal(endOf(new Refused(429, { ...limit, retry_after_seconds: 5 }), GOING).state, "failed");
  assert.equal(endOf(new Refused(503, WORDS), GOING).state, "failed");
});

test("what a host throws is told in its own words, or in ours", () => {
  assert.equal(endOf(new Error("The bridge is down."), GOING).error?.message, "The bridge is down.");
  assert.equal(endOf("?", GOING).error?.message, "Failed to generate response");
});
