import assert from "node:assert/strict";
import { test } from "node:test";

import { EventReader } from "../dist/events.js";

const read = (...pieces) => {
  const events = new EventReader();
  return pieces.flatMap((piece) => [...events.read(piece)]);
};

const TEXT = ': waiting\n\ndata: {"a":1}\n\nevent: odd\r\ndata:b\r\ndata: c\r\n\r\ndata\n\nid: 7\n\ndata:  d\r\r';
const EVENTS = [
  { comment: "waiting" },
  { data: '{"a":1}' },
  { data: "b\nc" },
  { data: "" },
];

test("data of events and comments are read, whatever ends their lines", () => {
  assert.deepEqual(read(TEXT), EVENTS);
  assert.deepEqual(read(TEXT, "\n"), [...EVENTS, { data: " d" }]);
});

test("it does not matter where the pieces end", () => {
  for (let at = 0; at <= TEXT.length; at++) {
    assert.deepEqual(read(TEXT.slice(0, at), TEXT.slice(at)), EVENTS, `cut at ${at}`);
  }
  assert.deepEqual(read(...TEXT), EVENTS);
});

test("what was not ended was not sent", () => {
  assert.deepEqual(read("data: half"), []);
  assert.deepEqual(read("data: half\n"), []);
});
