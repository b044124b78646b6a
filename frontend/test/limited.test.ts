import assert from "node:assert/strict";
import { test } from "node:test";
import { held, hold } from "../src/chat/held";
import { Limited, waitMs } from "../src/chat/limited";
import { Refused } from "../src/service";
import { standing } from "../src/standing";
import type { Standing } from "../src/standing";
import { changedElsewhere, settled, withClock, withMemory } from "./stand-ins";

const HOUR_MS = 3_600_000;
withMemory();
const clock = withClock();

/** A chat that writes down what it is asked for. */
function chat() {
  const done: string[] = [];
  return {
    busy: false,
    done,
    requestUpdate: () => undefined,
    send: async (text: string) => void done.push(`send ${text}`),
    refresh: async () => void done.push("refresh"),
  };
}

function limited(limitable = chat()) {
  const made = new Limited(limitable);
  made.connect();
  return { made, limitable };
}

function inAnHour() {
  return { error: null, resetAt: new Date(Date.now() + HOUR_MS).toISOString() };
}

function left(remaining: number): Standing {
  return standing({ requestsToday: 5 - remaining, requestsLimit: 5, remainingRequests: remaining }) as Standing;
}

test("it looks again when the limit resets, and not before", async () => {
  const { made, limitable } = limited();
  made.stopAt(inAnHour());

  await clock().pass(HOUR_MS);
  assert.deepEqual(limitable.done, []);
  await clock().pass(1_000);
  assert.deepEqual(limitable.done, ["refresh"]);
  assert.equal(made.limit, null);
});

test("a message that is held is sent once, and forgotten", async () => {
  const { made, limitable } = limited();
  made.stopAt(inAnHour());
  assert.equal(made.hold("  One more  "), true);
  assert.equal(held()?.text, "One more");

  await clock().pass(2 * HOUR_MS);
  assert.deepEqual(limitable.done, ["send One more"]);
  assert.equal(held(), null);
  assert.equal(made.isShown, false);
});

test("nothing is held that is empty, or that nobody knows a time for", () => {
  const { made } = limited();
  made.stopAt(inAnHour());
  assert.equal(made.hold("  "), false);
  made.stopAt({ error: null, resetAt: null });
  assert.equal(made.hold("One more"), false);
  assert.equal(held(), null);
});

test("of two chats that wait with the same message one sends it", async () => {
  hold({ text: "One more", atMs: clock().nowMs + HOUR_MS });
  const one = limited();
  const other = limited();

  await clock().pass(2 * HOUR_MS);
  assert.deepEqual([...one.limitable.done, ...other.limitable.done].sort(), ["refresh", "send One more"]);
});

test("a message that another window takes back is waited for no longer", () => {
  const { made } = limited();
  made.stopAt(inAnHour());
  made.hold("One more");
  hold(null);
  changedElsewhere("held");

  assert.equal(made.held, null);
  hold({ text: "Another", atMs: 1 });
  changedElsewhere("prompts");
  assert.equal(made.held, null);
});

test("a message that falls due while an answer is written is sent after it", async () => {
  const { made, limitable } = limited();
  made.stopAt(inAnHour());
  made.hold("One more");
  limitable.busy = true;

  await clock().pass(2 * HOUR_MS);
  assert.deepEqual(limitable.done, []);
  assert.equal(held()?.text, "One more");
  limitable.busy = false;
  made.resume();
  await clock().pass(1_000);
  assert.deepEqual(limitable.done, ["send One more"]);
});

test("who leaves the page wakes nobody, and who comes back goes on waiting", async () => {
  const { made, limitable } = limited();
  made.stopAt(inAnHour());
  made.hold("One more");
  made.disconnect();
  assert.equal(clock().waits, 0);

  await clock().pass(2 * HOUR_MS);
  made.connect();
  await clock().pass(1_000);
  assert.deepEqual(limitable.done, ["send One more"]);
});

test("a message that is taken back is given back", () => {
  const { made } = limited();
  made.stopAt(inAnHour());
  made.hold("One more");

  assert.equal(made.release(), "One more");
  assert.equal(held(), null);
});

test("a clock that is ahead of the service's does not make it ask all the time", async () => {
  const { made, limitable } = limited();
  const resetAt = new Date(clock().nowMs - HOUR_MS).toISOString();
  limitable.refresh = async () => {
    limitable.done.push("refresh");
    made.stopAt({ error: null, resetAt });
  };
  made.stopAt({ error: null, resetAt });

  await clock().pass(5 * 60_000);
  assert.equal(limitable.done.length, 10);
});

test("waits longer than a timer can be are waited for in parts", async () => {
  const { made, limitable } = limited();
  made.stopAt({ error: null, resetAt: new Date(clock().nowMs + 1_000 * HOUR_MS).toISOString() });

  await clock().pass(999 * HOUR_MS);
  assert.deepEqual(limitable.done, []);
  await clock().pass(2 * HOUR_MS);
  assert.deepEqual(limitable.done, ["refresh"]);
});

test("what is due is tried at once where a message waits", () => {
  assert.equal(waitMs(1_000, 5_000, true), 500);
  assert.equal(waitMs(1_000, 5_000, false), 30_000);
  assert.equal(waitMs(5_000, 1_000, false), 4_500);
});

test("an empty limit is seen once, and none while an answer is written", () => {
  const { made, limitable } = limited();
  limitable.busy = true;
  assert.equal(made.see(left(0)), false);
  limitable.busy = false;
  assert.equal(made.see(left(0)), true);
  made.stopAt(inAnHour());
  assert.equal(made.see(left(0)), false);
});

test("a limit that was seen is lifted as soon as it gives something back", () => {
  const { made } = limited();
  made.stopAt(inAnHour());
  made.see(left(2));

  assert.equal(made.limit, null);
});

test("a refusal stands while nobody sees why, and is lifted when what was empty is so no more", () => {
  const { made } = limited();
  made.stopAt({ ...inAnHour(), error: { message: "Your network.", code: "ip_rate_limit" } });
  made.see(left(2));
  assert.notEqual(made.limit, null);

  made.see(left(0));
  made.see(left(2));
  assert.equal(made.limit, null);
});

test("an address is asked for, and a refusal is told in its own words", async () => {
  const { made } = limited();
  await made.register({ register: () => Promise.reject(new Refused(400, { message: "No address.", code: null })) }, "x");
  assert.deepEqual(made.mail, { refused: "No address." });

  await made.register({ register: () => Promise.resolve(null) }, "ada@example.org");
  assert.equal(made.mail, "sent");
  await settled();
});
