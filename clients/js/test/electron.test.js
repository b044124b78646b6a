import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

import { FreeApiError } from "scalix-free";
import { exposeFreeApi, freeApi, registerFreeApiHandlers } from "scalix-free/electron";

import { Electron } from "./electron.js";

const MESSAGES = [{ role: "user", content: "Hello?" }];
const ANSWER = { id: "free_cmp_1", free_tier: { remaining_requests: 4, upgrade_prompt: false } };
const LIMITS = {
  tier: "anonymous", remaining_requests: 3, reset_time: "2026-11-26T13:00:00Z", near_limit: true,
  windows: [
    { name: "requests_hour", used: 2, remaining: 3 }, { name: "requests_day", used: 7, remaining: 13 },
    { name: "tokens_day", used: 210, remaining: 4790 }, { name: "concurrent", used: 0, remaining: null },
  ],
};

/** A client that notes what it was asked, and does what it is told. */
function scripted({ complete = async () => ANSWER, limits = async () => LIMITS } = {}) {
  const asked = [];
  return {
    asked,
    complete: (request, options) => (asked.push(request), complete(request, options)),
    limits: (options) => limits(options),
  };
}

function app(client, options) {
  const electron = new Electron();
  registerFreeApiHandlers(electron.ipcMain, client, options);
  exposeFreeApi(electron.contextBridge, electron.ipcRenderer);
  return { electron, api: electron.window.electronAPI };
}

test("an answer crosses to the window as it came", async () => {
  const client = scripted();
  const { api } = app(client);
  const params = { userId: "u", sessionId: "s", messages: MESSAGES, options: { max_tokens: 9 } };
  assert.deepEqual(await api.freeCompletion(params), ANSWER);
  assert.deepEqual(client.asked, [{ messages: MESSAGES, max_tokens: 9, user_id: "u", session_id: "s" }]);
});

test("where little is left the answer says so", async () => {
  const near = { ...ANSWER, free_tier: { remaining_requests: 1, upgrade_prompt: true } };
  const { api } = app(scripted({ complete: async () => near }));
  assert.equal((await api.freeCompletion({ messages: MESSAGES })).upgradePrompt, true);
});

test("what a window may not set is left behind", async () => {
  const client = scripted();
  const options = { temperature: 0, stream: true, headers: { a: "b" }, baseUrl: "http://x", apiKey: "k", __proto__: { seed: 1 } };
  await app(client).api.freeCompletion({ messages: MESSAGES, options });
  assert.deepEqual(client.asked, [{ messages: MESSAGES, temperature: 0 }]);
});

const ROUND = { role: "user", content: [] };
ROUND.content.push(ROUND);
for (const [name, params] of Object.entries({
  "nothing": undefined,
  "a text": "hello",
  "a list": [MESSAGES],
  "no messages": { messages: [] },
  "messages that are none": { messages: "hello" },
  "a message that is none": { messages: ["hello"] },
  "a message of nobody": { messages: [{ content: "hello" }] },
  "options that are none": { messages: MESSAGES, options: "fast" },
  "a label that is none": { messages: MESSAGES, userId: { $ne: null } },
  "a label that is too long": { messages: MESSAGES, sessionId: "x".repeat(257) },
  "what JSON cannot say": { messages: MESSAGES, options: { seed: 1n } },
  "what has no end": { messages: [ROUND] },
})) {
  test(`at the border it is refused: ${name}`, async () => {
    const client = scripted();
    const { message, ...rest } = await app(client).api.freeCompletion(params);
    assert.deepEqual(rest, { error: "COMPLETION_FAILED", retryable: false, code: "invalid_request" });
    assert.ok(message);
    assert.deepEqual(client.asked, []);
  });
}

const LIMIT = {
  code: "free_tier_daily_limit", status: 429, legacyCode: "RATE_LIMIT_EXCEEDED", retryable: false,
  retryAfterSeconds: 7200, resetAt: "2026-11-26T14:00:00Z", upgradeUrl: "http://here/upgrade",
};
const REACHED = {
  error: "RATE_LIMIT_EXCEEDED", message: "Free tier limit exceeded.", resetTime: "2026-11-26T14:00:00Z",
  upgradePrompt: true, retryable: false, retryAfterSeconds: 7200, code: "free_tier_daily_limit",
  upgradeUrl: "http://here/upgrade",
};

for (const [name, error, expected] of [
  ["a limit that is reached", new FreeApiError("Free tier limit exceeded.", LIMIT), REACHED],
  [
    "too many calls at once",
    new FreeApiError("Two at once.", { ...LIMIT, code: "free_tier_concurrency", retryable: true, retryAfterSeconds: 2, resetAt: null }),
    { ...REACHED, message: "Two at once.", code: "free_tier_concurrency", upgradePrompt: false, retryable: true, retryAfterSeconds: 2, resetTime: null },
  ],
  [
    "a failure that passes",
    new FreeApiError("All free models currently unavailable.", { code: "upstream_error", legacyCode: "COMPLETION_FAILED", retryable: true }),
    { error: "COMPLETION_FAILED", message: "All free models currently unavailable.", retryable: true, code: "upstream_error" },
  ],
  [
    "a failure without words",
    new FreeApiError("", { code: "unknown" }),
    { error: "COMPLETION_FAILED", message: "Failed to generate response", retryable: false, code: "unknown" },
  ],
]) {
  test(`it crosses as the app knows it: ${name}`, async () => {
    const { api } = app(scripted({ complete: async () => { throw error; } }));
    assert.deepEqual(await api.freeCompletion({ messages: MESSAGES }), expected);
  });
}

test("a fault of the program is written down, and the window is told no more than that", async (t) => {
  const written = t.mock.method(console, "error", () => {});
  const { api } = app(scripted({ complete: async () => { throw new TypeError("at /home/somebody"); } }));
  assert.deepEqual(await api.freeCompletion({ messages: MESSAGES }), {
    error: "COMPLETION_FAILED", message: "Failed to generate response", retryable: false, code: "unknown",
  });
  assert.equal(written.mock.callCount(), 1);
});

test("what was used, in the words of the dashboard", async () => {
  const { api } = app(scripted());
  assert.deepEqual(await api.getFreeUsage("u"), {
    requestsToday: 7, tokensUsed: 210, resetTime: "2026-11-26T13:00:00Z", remainingRequests: 3, nearLimit: true,
  });
  const limits = await api.checkFreeLimits();
  assert.equal(limits.allowed, true);
  assert.deepEqual(limits.windows, LIMITS.windows);
});

test("who has reached any limit is not allowed", async () => {
  const windows = [...LIMITS.windows.slice(0, 2), { name: "tokens_day", used: 5000, remaining: 0 }];
  const { api } = app(scripted({ limits: async () => ({ ...LIMITS, windows }) }));
  assert.equal((await api.checkFreeLimits()).allowed, false);
});

test("what cannot be told throws its message", async () => {
  const { api } = app(scripted({ limits: async () => { throw new FreeApiError("Not now.", { code: "x" }); } }));
  await assert.rejects(api.getFreeUsage("u"), { message: "Not now." });
  await assert.rejects(api.getFreeUsage({}), { message: /userId/ });
});

test("a window that may not ask is told so", async () => {
  const client = scripted();
  const { api } = app(client, { accepts: (event) => event.senderFrame?.url === "app://other" });
  assert.equal((await api.freeCompletion({ messages: MESSAGES })).error, "COMPLETION_FAILED");
  assert.equal((await api.checkFreeLimits()).error, "COMPLETION_FAILED");
  assert.deepEqual(client.asked, []);
});

test("a window that is closed hangs up", async () => {
  const complete = (_, { signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(new FreeApiError("", { code: "x" }))));
  const { electron, api } = app(scripted({ complete }));
  const answer = api.freeCompletion({ messages: MESSAGES });
  setImmediate(() => electron.close());
  assert.equal((await answer).error, "COMPLETION_FAILED");
});

test("handlers are taken away again", async () => {
  const electron = new Electron();
  const remove = registerFreeApiHandlers(electron.ipcMain, scripted());
  assert.throws(() => registerFreeApiHandlers(electron.ipcMain, scripted()), /second handler/);
  remove();
  registerFreeApiHandlers(electron.ipcMain, scripted());
});

test("an app with an API of its own spreads ours into it", async () => {
  const electron = new Electron();
  registerFreeApiHandlers(electron.ipcMain, scripted());
  electron.contextBridge.exposeInMainWorld("electronAPI", { ...freeApi(electron.ipcRenderer) });
  assert.equal((await electron.window.electronAPI.getFreeUsage()).requestsToday, 7);
});

test("a preload script in CommonJS gets the same, and Electron's own renderer", () => {
  const commonJs = createRequire(import.meta.url)("scalix-free/electron");
  assert.equal(commonJs.exposeFreeApi, exposeFreeApi);
  assert.throws(() => commonJs.exposeFreeApi(new Electron().contextBridge), { code: "MODULE_NOT_FOUND" });
});
