import assert from "node:assert/strict";
import { test } from "node:test";
import { begin, lost } from "../src/chat/identity";
import { withMemory } from "./stand-ins";

const HOUR_MS = 3_600_000;
withMemory();

function service(expiresMs: number | null) {
  const counted = { asked: 0 };
  const session = (): Promise<{ expires_at: string }> => {
    counted.asked += 1;
    return expiresMs === null
      ? Promise.reject(new Error("A proof is due."))
      : Promise.resolve({ expires_at: new Date(expiresMs).toISOString() });
  };
  return Object.assign(counted, { session });
}

test("a session is begun once, until it ends", async () => {
  const sessions = service(24 * HOUR_MS);
  for (const nowMs of [0, HOUR_MS, 25 * HOUR_MS]) await begin(sessions, nowMs);

  assert.equal(sessions.asked, 2);
});

test("who gets none asks again after an hour", async () => {
  const sessions = service(null);
  for (const nowMs of [0, HOUR_MS - 1, HOUR_MS]) await begin(sessions, nowMs);

  assert.equal(sessions.asked, 2);
});

test("one that was lost is begun anew; a refusal is not forgotten by that", async () => {
  const sessions = service(24 * HOUR_MS);
  await begin(sessions, 0);
  lost();
  await begin(sessions, 1);
  assert.equal(sessions.asked, 2);

  const refusing = service(null);
  lost();
  await begin(refusing, 2);
  lost();
  await begin(refusing, 3);
  assert.equal(refusing.asked, 1);
});
