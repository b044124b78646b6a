import assert from "node:assert/strict";
import { test } from "node:test";
import { begun } from "../src/chat/conversation";
import type { Exchange } from "../src/chat/conversation";
import { Prompting, dueOf } from "../src/chat/prompting";
import { standing } from "../src/standing";
import type { Standing } from "../src/standing";
import { withMemory } from "./stand-ins";

withMemory();

/** What a chat is told of prompts, one line each. */
function prompting() {
  const told: string[] = [];
  const made = new Prompting({
    record: ({ trigger, action, message_id }) => told.push(`${action} ${trigger} ${message_id}`),
    sentAway: (trigger) => told.push(`away ${trigger}`),
    loadOffer: (trigger) => told.push(`offer ${trigger}`),
    requestUpdate: () => undefined,
  });
  return { made, told };
}

function answered(change: Partial<Exchange> = {}): Exchange {
  return { ...begun("turn-1", "Why?"), state: "done", answer: "So.", ...change };
}

function near(): Standing {
  return standing({ remainingRequests: 2, nearLimit: true, requestsToday: 3, requestsLimit: 5 }) as Standing;
}

test("an answer gives cause for one prompt at most", () => {
  const cases: [Partial<Exchange>, string | null, string | null][] = [
    [{}, null, null],
    [{}, "NEAR_LIMIT", null],
    [{}, "FIRST_REQUEST", "FIRST_REQUEST"],
    [{}, "QUALITY_ISSUE", "QUALITY_ISSUE"],
    [{ rating: -1 }, "FIRST_REQUEST", "QUALITY_ISSUE"],
    [{ rating: 1 }, null, null],
    [{ again: 2 }, null, "QUALITY_ISSUE"],
  ];
  for (const [change, told, due] of cases) assert.equal(dueOf(answered(change), told), due);
});

test("a welcome comes with the first answer, once ever, and can be sent away", () => {
  const { made, told } = prompting();
  made.begin();
  made.end(answered(), "FIRST_REQUEST");
  assert.deepEqual(made.shown, { id: "turn-1", trigger: "FIRST_REQUEST" });
  made.dismiss();
  made.dismiss();
  made.begin();
  made.end(answered(), "FIRST_REQUEST");

  assert.equal(made.shown, null);
  assert.deepEqual(told, [
    "impression FIRST_REQUEST chat-first_request",
    "dismiss FIRST_REQUEST chat-first_request",
    "away FIRST_REQUEST",
  ]);
});

test("nothing is said under an answer that is none", () => {
  const { made } = prompting();
  made.begin();
  made.end(null, "FIRST_REQUEST");

  assert.equal(made.shown, null);
});

test("what is said goes away with the next question", () => {
  const { made } = prompting();
  made.end(answered(), "FIRST_REQUEST");
  made.begin();

  assert.equal(made.shown, null);
});

test("a rating while another answer is written waits for its end", () => {
  const { made, told } = prompting();
  made.begin();
  made.rated(answered({ rating: -1 }));
  assert.equal(made.shown, null);
  assert.deepEqual(told, []);
  made.end(answered({ id: "turn-2" }), null);

  assert.deepEqual(made.shown, { id: "turn-1", trigger: "QUALITY_ISSUE" });
  assert.deepEqual(told, ["impression QUALITY_ISSUE chat-quality_issue", "offer QUALITY_ISSUE"]);
});

test("a sale stands only where it has the room, and counts once for its window", () => {
  const { made, told } = prompting();
  for (const isFree of [true, false, true]) made.seeNear(near(), isFree);

  assert.equal(made.sellsNear(near(), false), false);
  assert.equal(made.sellsNear({ ...near(), empty: true }, true), false);
  assert.equal(made.sellsNear(null, true), false);
  assert.deepEqual(told, ["impression NEAR_LIMIT chat-quota"]);
});

test("a sale that was sent away stays away", () => {
  const { made, told } = prompting();
  assert.equal(made.sellsNear(near(), true), true);
  made.dismissNear();

  assert.equal(made.sellsNear(near(), true), false);
  assert.deepEqual(told, ["dismiss NEAR_LIMIT chat-quota", "away NEAR_LIMIT"]);
});

test("who forgets the conversation forgets what was to be said of it", () => {
  const { made } = prompting();
  made.begin();
  made.rated(answered({ rating: -1 }));
  made.forget();
  made.end(null, null);

  assert.equal(made.shown, null);
});
