/**
 * The client, and the handlers of an Electron app, against the running service. `SCALIX_FREE` is
 * JSON: its `url`, the `question` that the tests ask and its `echo`, and the models by what they do.
 */
import assert from "node:assert/strict";
import { test } from "node:test";

import { FreeApiError, ScalixFree } from "scalix-free";
import { exposeFreeApi, registerFreeApiHandlers } from "scalix-free/electron";

import { Electron } from "./electron.js";

const found = process.env.SCALIX_FREE;
const skip = found ? false : "there is no service; run: make test ARGS='-k js_client'";
const { url, question, echo, models, addresses } = found ? JSON.parse(found) : {};
const ASKED = { messages: [{ role: "user", content: question }] };

/** Somebody who never called before. */
const somebody = (more = {}) =>
  new ScalixFree({ baseUrl: url, headers: { "x-forwarded-for": addresses.pop() }, ...more });

function app(client) {
  const electron = new Electron();
  registerFreeApiHandlers(electron.ipcMain, client);
  exposeFreeApi(electron.contextBridge, electron.ipcRenderer);
  return electron.window.electronAPI;
}

async function spendTheHour(client) {
  for (let left = 4; left >= 0; left--) {
    const { free_tier } = await client.complete(ASKED);
    assert.equal(free_tier.remaining_requests, left);
  }
}

test("an answer", { skip }, async () => {
  const answer = await somebody().complete({ ...ASKED, session_id: "s-1" });
  assert.equal(answer.choices[0].message.content, echo);
  assert.equal(answer.usage.total_tokens, 14);
  assert.equal(answer.free_tier.remaining_requests, 4);
  assert.equal(answer.free_tier.session_id, "s-1");
  assert.equal(answer.receipt.model, models.good);
  assert.equal(answer.receipt.attempts, 1);
  assert.match(answer.receipt.requestId, /^req_/);
});

test("a stream", { skip }, async () => {
  const stream = await somebody().stream(ASKED);
  assert.equal(await stream.text(), echo);
  assert.equal(stream.freeTier.remaining_requests, 4);
  assert.equal(stream.receipt.model, models.good);
});

test("a stream with usage", { skip }, async () => {
  const chunks = [];
  const asked = { ...ASKED, stream_options: { include_usage: true } };
  for await (const chunk of await somebody().stream(asked)) chunks.push(chunk);
  assert.equal(chunks.at(-1).usage.completion_tokens, 8);
});

test("tools", { skip }, async () => {
  const tools = [{ type: "function", function: { name: "get_weather", parameters: { type: "object" } } }];
  const answer = await somebody().complete({ ...ASKED, tools, model: models.tools });
  assert.equal(answer.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(
    answer.choices[0].message.tool_calls.map((call) => call.function.name),
    ["get_weather", "get_time"],
  );
});

test("a stream that breaks", { skip }, async () => {
  const stream = await somebody().stream({ ...ASKED, model: models.cut });
  let said = "";
  await assert.rejects(async () => {
    for await (const chunk of stream) said += chunk.choices[0].delta.content ?? "";
  }, (error) => {
    assert.ok(error instanceof FreeApiError);
    assert.equal(error.code, "upstream_error");
    assert.equal(error.requestId, stream.receipt.requestId);
    assert.equal(error.legacyCode, "COMPLETION_FAILED");
    return true;
  });
  assert.ok(said.length > 0);
  assert.equal(stream.freeTier, null);
});

test("who leaves a stream", { skip }, async () => {
  for await (const chunk of await somebody().stream({ ...ASKED, model: models.stalls })) {
    assert.ok(chunk.choices[0].delta.content);
    break; // and the tests look whether the provider was told
  }
});

test("limits and a spent hour", { skip }, async () => {
  const client = somebody();
  assert.equal((await client.limits()).remaining_requests, 5);
  await spendTheHour(client);
  for (const method of ["complete", "stream"]) {
    await assert.rejects(client[method](ASKED), (error) => {
      assert.equal(error.status, 429);
      assert.equal(error.code, "free_tier_hourly_limit");
      assert.equal(error.legacyCode, "RATE_LIMIT_EXCEEDED");
      assert.equal(error.retryable, false);
      assert.equal(error.window, "requests_hour");
      assert.match(error.upgradeUrl, /\/upgrade$/);
      assert.ok(Date.parse(error.resetAt) > Date.now());
      assert.equal(error.freeTier.remaining_requests, 0);
      return true;
    });
  }
  const limits = await client.limits();
  assert.equal(limits.binding, "requests_hour");
  assert.equal(limits.windows.find((window) => window.name === "requests_day").used, 5);
});

test("usage", { skip }, async () => {
  const client = somebody();
  await client.session();
  const { receipt } = await client.complete(ASKED);
  let usage;
  do usage = await client.usage({ days: 3 }); // what ended is written down within a second
  while (usage.days[2].requests === 0);
  assert.equal(usage.shared, false);
  assert.equal(usage.days.length, 3);
  assert.deepEqual(usage.days[2].requests, 1);
  const [own] = usage.receipts;
  assert.equal(own.request_id, receipt.requestId);
  assert.equal(own.model, models.good);
  assert.equal(own.outcome, "answered");
  assert.equal(own.charged_tokens, 14);
  assert.equal(usage.remaining_requests, 4);
  await assert.rejects(client.usage({ days: 99 }), { code: "invalid_request", param: "days" });
});

test("a mistake", { skip }, async () => {
  await assert.rejects(somebody().complete({ ...ASKED, temperature: 3 }), {
    status: 400, code: "invalid_request", param: "temperature",
  });
  await assert.rejects(somebody({ apiKey: "scalix_key_0" }).limits(), { code: "invalid_api_key" });
});

test("feedback", { skip }, async () => {
  const client = somebody();
  const { id, receipt } = await client.complete(ASKED);
  const rated = await client.feedback({ requestId: receipt.requestId, rating: 1 });
  assert.equal(rated.request_id, receipt.requestId);
  assert.equal(rated.rating, 1);
  await assert.rejects(client.feedback({ requestId: id, rating: -1 }), { code: "already_rated" });
});

test("sessions: two for nothing, the third for a proof of work", { skip }, async () => {
  const client = somebody();
  const tokens = [];
  for (let n = 0; n < 2; n++) tokens.push((await client.session({ maxProofMs: 0 })).token);
  await assert.rejects(client.session({ maxProofMs: 0 }), (error) => {
    assert.equal(error.code, "challenge_required");
    assert.equal(error.challenge.parameters.algorithm, "PBKDF2/SHA-256");
    return true;
  });
  const session = await client.session();
  assert.match(session.token, /^scalix_free_/);
  assert.ok(!tokens.includes(session.token));
  assert.equal((await client.complete(ASKED)).free_tier.session_id, session.session_id);
});

test("tries of one turn are charged once", { skip }, async () => {
  const client = somebody();
  await client.session();
  for (let n = 0; n < 2; n++) {
    const { free_tier } = await client.complete(ASKED, { turn: "turn-1" });
    assert.equal(free_tier.remaining_requests, 4);
  }
  assert.equal((await client.complete(ASKED)).free_tier.remaining_requests, 3);
});

// ── As an Electron app ──────────────────────────────────────────────────────────────────────────

test("electron: an answer, and what is left after it", { skip }, async () => {
  const api = app(somebody());
  const before = await api.getFreeUsage("somebody");
  assert.deepEqual(before, {
    requestsToday: 0, tokensUsed: 0, resetTime: null, remainingRequests: 5, nearLimit: false,
  });
  const answer = await api.freeCompletion({
    ...ASKED, userId: "somebody", sessionId: "s-1", options: { max_tokens: 100 },
  });
  assert.equal(answer.error, undefined);
  assert.equal(answer.choices[0].message.content, echo);
  assert.equal(answer.free_tier.session_id, "s-1");
  const { resetTime, ...after } = await api.getFreeUsage("somebody");
  assert.deepEqual(after, {
    requestsToday: 1, tokensUsed: 14, remainingRequests: 4, nearLimit: false,
  });
  assert.ok(Date.parse(resetTime) > Date.now());
});

test("electron: a limit that is reached", { skip }, async () => {
  const client = somebody();
  await spendTheHour(client);
  const { message, resetTime, retryAfterSeconds, upgradeUrl, ...rest } =
    await app(client).freeCompletion({ ...ASKED, userId: "somebody" });
  assert.deepEqual(rest, {
    error: "RATE_LIMIT_EXCEEDED", upgradePrompt: true, retryable: false, code: "free_tier_hourly_limit",
  });
  assert.ok(message.startsWith("Free tier limit exceeded. Please upgrade to Pro."));
  assert.ok(Date.parse(resetTime) > Date.now());
  assert.ok(retryAfterSeconds > 60);
  assert.match(upgradeUrl, /\/upgrade$/);
  const limits = await app(client).checkFreeLimits("somebody");
  assert.equal(limits.allowed, false);
  assert.equal(limits.nearLimit, true);
  assert.equal(limits.remainingRequests, 0);
});

test("electron: a failure", { skip }, async () => {
  const failed = await app(somebody()).freeCompletion({ ...ASKED, options: { model: models.fails } });
  assert.equal(failed.error, "COMPLETION_FAILED");
  assert.ok(failed.message.startsWith("All free models currently unavailable"));
  assert.equal(failed.retryable, false);
  assert.equal(failed.code, "upstream_error");
});

test("electron: a service that is not there", { skip }, async () => {
  const api = app(new ScalixFree({ baseUrl: "http://127.0.0.1:9", maxRetries: 0 }));
  assert.deepEqual(await api.freeCompletion(ASKED), {
    error: "COMPLETION_FAILED", message: "Scalix Free could not be reached.", retryable: true,
    code: "connection_failed",
  });
});
