import assert from "node:assert/strict";
import { test } from "node:test";

import { waitBeforeRetry } from "../dist/retry.js";

const RETRIES = { most: 2, longestWaitMs: 10_000 };
const NOW = Date.parse("2026-11-26T12:00:00Z");
const after = (status, headers = {}, attempt = 0) =>
  waitBeforeRetry(attempt, { status, headers: new Headers(headers) }, RETRIES, NOW);

const CASES = [
  ["nothing is told: half a second, then twice that", after(503), 500],
  ["the second time", after(503, {}, 1), 1000],
  ["no third time", after(503, {}, 2), null],
  ["a wait is kept to", after(429, { "retry-after": "2" }), 2000],
  ["the exact one goes before", after(429, { "retry-after": "2", "retry-after-ms": "1234" }), 1234],
  ["a date", after(503, { "retry-after": "Thu, 26 Nov 2026 12:00:07 GMT" }), 7000],
  ["a date that is over", after(503, { "retry-after": "Thu, 26 Nov 2026 11:00:00 GMT" }), 0],
  ["as long as may be", after(429, { "retry-after": "10" }), 10_000],
  ["a longer one is not begun", after(429, { "retry-after": "11" }), null],
  ["nor a very long one", after(429, { "retry-after": "100000" }), null],
  ["what is no wait is none", after(429, { "retry-after": "soon" }), 500],
  ["nor is less than none", after(429, { "retry-after": "-5" }), 500],
  ["not again", after(429, { "x-should-retry": "false" }), null],
  ["whatever wait is told", after(502, { "x-should-retry": "false", "retry-after": "1" }), null],
  ["a mistake of the caller", after(400, { "retry-after": "1" }), null],
  ["a mistake of the service", after(500, { "retry-after": "1" }), null],
  ["no answer at all", waitBeforeRetry(1, null, RETRIES, NOW), 1000],
];

for (const [name, found, expected] of CASES) {
  test(name, () => assert.equal(found, expected));
}
