import assert from "node:assert/strict";
import { test } from "node:test";
import { APART_MS } from "../src/chat/sentences";
import { Voice } from "../src/chat/voice";

function voice() {
  const said: string[] = [];
  const made = new Voice((words) => said.push(words));
  made.begin();
  return { made, said };
}

test("sentences come whole, not too fast, and then the end", () => {
  const { made, said } = voice();
  made.hear({ kind: "text", text: "One. Two" }, 0);
  made.hear({ kind: "text", text: ". Three" }, 100);
  made.hear({ kind: "text", text: " " }, APART_MS);
  made.end("done", null);

  assert.deepEqual(said, ["One.", "Two.", "Three Answer complete."]);
});

test("a place in the queue is said when it changes, and not at every heartbeat", () => {
  const { made, said } = voice();
  for (const place of [3, 3, 2, null, null]) {
    made.hear({ kind: "waiting", place, waitS: place === null ? null : 5 }, 0);
  }

  assert.deepEqual(said, ["Number 3 in the queue, about 5 seconds.", "Number 2 in the queue, about 5 seconds."]);
});

test("each end has its words, a failure its own", () => {
  const { made, said } = voice();
  for (const state of ["stopped", "cut", "refused"] as const) made.end(state, null);
  made.end("failed", "No model.");
  made.end("failed", null);

  assert.deepEqual(said, ["Stopped.", "The answer broke off.", "", "No model.", "No answer."]);
});

test("what was not said of one answer is not said of the next", () => {
  const { made, said } = voice();
  made.hear({ kind: "text", text: "Half" }, 0);
  made.begin();
  made.end("done", null);

  assert.deepEqual(said, ["Answer complete."]);
});
