import assert from "node:assert/strict";
import { test } from "node:test";
import { deedOf } from "../src/chat/keys";
import type { Deed, Pressed } from "../src/chat/keys";

function pressed(key: string, more: Partial<Pressed> = {}): Pressed {
  return { key, isModified: false, isInField: false, isInArticle: true, ...more };
}

test("Esc stops an answer, and closes what is open while there is none; also where single keys are off", () => {
  for (const single of [true, false]) {
    assert.equal(deedOf(pressed("Escape", { isInField: true }), true, single), "stop");
    assert.equal(deedOf(pressed("Escape", { isInField: true }), false, single), "close");
  }
});

test("single keys are for messages, and ? for everywhere", () => {
  const deeds: Record<string, Deed | null> = { j: "next", ArrowDown: "next", k: "previous", ArrowUp: "previous", c: "copy", x: null, toString: null };
  for (const [key, deed] of Object.entries(deeds)) {
    assert.equal(deedOf(pressed(key), false, true), deed ?? null, key);
    assert.equal(deedOf(pressed(key, { isInArticle: false }), false, true), null, key);
  }
  assert.equal(deedOf(pressed("?", { isInArticle: false }), true, true), "toggle");
});

test("what is typed, and what is the browser's, is left alone; so is everything where that is wished", () => {
  for (const key of ["j", "c", "?", "ArrowUp"]) {
    assert.equal(deedOf(pressed(key, { isInField: true }), false, true), null);
    assert.equal(deedOf(pressed(key, { isModified: true }), false, true), null);
    assert.equal(deedOf(pressed(key), false, false), null);
  }
});
