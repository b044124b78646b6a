import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { FreeApiError, ScalixFree } from "scalix-free";

import { ASKED, chunk, event, refuse, serving } from "./server.js";

const client = (url, more = {}) => new ScalixFree({ baseUrl: `${url}/v1`, ...more });
const LEFT = { remaining_requests: 4, upgrade_prompt: false };
const WHOLE = event(chunk("Hel")) + event(chunk("lo.", "stop", { free_tier: LEFT }));

/** The stream of a server that sends these pieces, and then does what is said. */
async function streaming(test, pieces, then = (response) => response.end(), more = {}) {
  const { url, seen } = await serving(test, async (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "req_1" });
    for (const piece of pieces) await new Promise((sent) => response.write(piece, sent));
    then(response);
  });
  const { callOptions, ...options } = more;
  return { stream: await client(url, options).stream(ASKED, callOptions), seen };
}

async function heard(stream) {
  const chunks = [];
  let error = null;
  try {
    for await (const chunk of stream) chunks.push(chunk.choices[0]?.delta.content ?? "");
  } catch (caught) {
    error = caught;
  }
  return { said: chunks.join(""), error };
}

// ── Streams ─────────────────────────────────────────────────────────────────────────────────────

test("a whole stream ends, and tells what is left", async (t) => {
  const { stream, seen } = await streaming(t, [WHOLE, event("[DONE]")]);
  assert.equal(stream.freeTier, null);
  assert.deepEqual(await heard(stream), { said: "Hello.", error: null });
  assert.deepEqual(stream.freeTier, LEFT);
  assert.equal(stream.receipt.requestId, "req_1");
  assert.equal(seen[0].body.stream, true);
  assert.equal(seen[0].path, "/api/v1/free/completion");
});

test("nothing after the end marker is heard", async (t) => {
  const { stream } = await streaming(t, [WHOLE + event("[DONE]") + event("junk")]);
  assert.deepEqual(await heard(stream), { said: "Hello.", error: null });
});

test("letters of several bytes may be cut", async (t) => {
  const bytes = Buffer.from(event(chunk("Grüße 👋", "stop")) + event("[DONE]"));
  const { stream } = await streaming(t, [...bytes].map((byte) => Buffer.of(byte)));
  assert.equal(await stream.text(), "Grüße 👋");
});

test("who answered late is known at the end", async (t) => {
  const last = chunk("!", "stop", { free_tier: { ...LEFT, model: "a/b", attempts: 2 } });
  const { stream } = await streaming(t, [event(last), event("[DONE]")]);
  assert.equal(stream.receipt.model, null);
  await stream.text();
  assert.equal(stream.receipt.model, "a/b");
  assert.equal(stream.receipt.attempts, 2);
});

test("the chunk of usage has no choice", async (t) => {
  const usage = { ...chunk(""), choices: [], usage: { total_tokens: 3 } };
  const { stream } = await streaming(t, [WHOLE, event(usage), event("[DONE]")]);
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  assert.equal(chunks.at(-1).usage.total_tokens, 3);
});

test("comments are told to who wants them", async (t) => {
  const comments = [];
  const { stream } = await streaming(
    t, [": queued 3, about 5 s\n\n", WHOLE, event("[DONE]")], undefined,
    { callOptions: { onComment: (comment) => comments.push(comment) } },
  );
  await stream.text();
  assert.deepEqual(comments, ["queued 3, about 5 s"]);
});

const BREAKS = {
  "the connection is closed": [[event(chunk("Hel"))], (r) => r.end(), "connection_lost"],
  "the connection is cut": [[event(chunk("Hel"))], (r) => r.destroy(), "connection_lost"],
  "the end marker is missing": [[WHOLE], (r) => r.end(), "connection_lost", "Hello."],
  "the last frame is half": [[event(chunk("Hel")), "data: [DONE]"], (r) => r.end(), "connection_lost"],
  "an error frame comes": [
    [event(chunk("Hel")), event({ error: { message: "It broke off.", code: "upstream_error", retryable: true, request_id: "req_2" } })],
    (r) => r.end(), "upstream_error",
  ],
  "an error frame comes and the end marker too": [
    [event(chunk("Hel")), event({ error: { message: "No.", code: "upstream_error" } }), event("[DONE]")],
    (r) => r.end(), "upstream_error",
  ],
  "a frame is no JSON": [[event(chunk("Hel")), event("<html>")], (r) => r.end(), "invalid_response"],
  "a frame is of somebody else": [[event(chunk("Hel")), event({ ok: 1 })], (r) => r.end(), "invalid_response"],
};

for (const [name, [pieces, then, code, said = "Hel"]] of Object.entries(BREAKS)) {
  test(`a break is never a whole answer: ${name}`, async (t) => {
    const { stream } = await streaming(t, pieces, then);
    const found = await heard(stream);
    assert.equal(found.said, said);
    assert.ok(found.error instanceof FreeApiError, String(found.error));
    assert.equal(found.error.code, code);
    assert.equal(found.error.status, null);
    assert.ok(found.error.requestId);
  });
}

test("a silent stream is given up", async (t) => {
  const { stream } = await streaming(t, [event(chunk("Hel"))], () => {}, { idleTimeoutMs: 100 });
  const { said, error } = await heard(stream);
  assert.equal(said, "Hel");
  assert.equal(error.code, "timeout");
});

test("heartbeats keep a stream alive", async (t) => {
  const beats = (response) => {
    let n = 0;
    const timer = setInterval(() => {
      response.write(": waiting\n\n");
      if (++n < 8) return;
      clearInterval(timer);
      response.end(WHOLE + event("[DONE]"));
    }, 50);
  };
  const { stream } = await streaming(t, [": waiting\n\n"], beats, { idleTimeoutMs: 300 });
  assert.equal(await stream.text(), "Hello.");
});

for (const [name, leave] of Object.entries({
  "who leaves the loop": async (stream) => {
    for await (const _ of stream) break;
  },
  "who aborts the stream": async (stream) => {
    await assert.rejects(async () => {
      for await (const _ of stream) stream.abort();
    }, { name: "AbortError" });
  },
})) {
  test(`${name} hangs up`, async (t) => {
    let closed;
    const { stream } = await streaming(t, [event(chunk("Hel"))], (response) => {
      closed = once(response, "close");
    });
    await leave(stream);
    await closed;
  });
}

test("the caller's signal hangs up, and its reason is thrown", async (t) => {
  const control = new AbortController();
  const { stream } = await streaming(t, [event(chunk("Hel"))], () => {}, {
    callOptions: { signal: control.signal },
  });
  await assert.rejects(async () => {
    for await (const _ of stream) control.abort(new RangeError("enough"));
  }, { name: "RangeError", message: "enough" });
});

test("a stream is read once", async (t) => {
  const { stream } = await streaming(t, [WHOLE, event("[DONE]")]);
  await stream.text();
  await assert.rejects(stream.text(), TypeError);
});

test("connections are used again after a whole stream", async (t) => {
  const ports = new Set();
  const { url } = await serving(t, (request, response) => {
    ports.add(request.socket.remotePort);
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end(WHOLE + event("[DONE]"));
  });
  for (let n = 0; n < 3; n++) {
    await (await client(url).stream(ASKED)).text();
    await new Promise(setImmediate);
  }
  assert.ok(ports.size < 3, `${ports.size} connections`);
});

test("what is no stream is no answer", async (t) => {
  const { url } = await serving(t, (_, response) => response.end("<html>"));
  await assert.rejects(client(url).stream(ASKED), { code: "invalid_response", status: 200 });
});

// ── Refusals and tries ──────────────────────────────────────────────────────────────────────────

const TOLD = {
  message: "Free tier limit exceeded.", type: "rate_limit_error", param: null,
  code: "free_tier_daily_limit", legacy_code: "RATE_LIMIT_EXCEEDED", retryable: false,
  retry_after_seconds: 7200, reset_at: "2026-11-26T14:00:00Z", window: "requests_day",
  upgrade_url: "http://here/upgrade", request_id: "req_9",
};

for (const method of ["complete", "stream"]) {
  test(`${method}: a refusal has all that the envelope has, and is asked for once`, async (t) => {
    const { url, seen } = await serving(t, (_, response) =>
      refuse(response, 429, TOLD, { "x-should-retry": "false" }),
    );
    await assert.rejects(client(url)[method](ASKED), (error) => {
      assert.ok(error instanceof FreeApiError);
      assert.deepEqual({ ...error, message: error.message }, {
        name: "FreeApiError", message: "Free tier limit exceeded.", status: 429,
        code: "free_tier_daily_limit", type: "rate_limit_error", param: null,
        legacyCode: "RATE_LIMIT_EXCEEDED", retryable: false, retryAfterSeconds: 7200,
        resetAt: "2026-11-26T14:00:00Z", window: "requests_day",
        upgradeUrl: "http://here/upgrade", requestId: "req_9", freeTier: null, challenge: null,
      });
      return true;
    });
    assert.equal(seen.length, 1);
  });
}

test("a short wait is waited, and all tries are one turn", async (t) => {
  const { url, seen } = await serving(t, (_, response, n) => {
    if (n < 2) refuse(response, 503, {}, { "retry-after-ms": "20", "retry-after": "1" });
    else response.end(JSON.stringify({ id: "free_cmp_1" }));
  });
  assert.equal((await client(url).complete(ASKED)).id, "free_cmp_1");
  const turns = seen.map((one) => one.headers["idempotency-key"]);
  assert.equal(turns.length, 3);
  assert.equal(new Set(turns).size, 1);
  await client(url).complete(ASKED, { turn: "mine" });
  assert.equal(seen[3].headers["idempotency-key"], "mine");
  await client(url).complete(ASKED);
  assert.ok(!turns.includes(seen[4].headers["idempotency-key"]));
});

test("a long wait is not slept through", async (t) => {
  const { url, seen } = await serving(t, (_, response) =>
    refuse(response, 429, { retry_after_seconds: 45 }, { "retry-after": "45" }),
  );
  await assert.rejects(client(url).complete(ASKED), { status: 429, retryAfterSeconds: 45 });
  assert.equal(seen.length, 1);
});

test("an abort ends a wait", async (t) => {
  const { url } = await serving(t, (_, response) => {
    refuse(response, 503, {}, { "retry-after": "9" });
    setTimeout(() => control.abort(), 20);
  });
  const control = new AbortController();
  await assert.rejects(client(url).complete(ASKED, { signal: control.signal }), { name: "AbortError" });
});

test("who has aborted before does not ask", async (t) => {
  const { url, seen } = await serving(t, (_, response) => response.end("{}"));
  await assert.rejects(client(url).complete(ASKED, { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.equal(seen.length, 0);
});

test("somebody who does not speak this API is said to be so", async (t) => {
  const { url } = await serving(t, (_, response) => {
    response.writeHead(502, { "content-type": "text/html" });
    response.end("<html>Bad gateway</html>");
  });
  await assert.rejects(client(url, { maxRetries: 0 }).complete(ASKED), {
    code: "invalid_response", status: 502, retryable: true,
  });
});

test("half an answer is none", async (t) => {
  const { url, seen } = await serving(t, (_, response) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "100" });
    response.write('{"id": ', () => response.destroy());
  });
  await assert.rejects(client(url).complete(ASKED), { code: "connection_lost" });
  assert.equal(seen.length, 1);
});

test("a connection that breaks before an answer is tried again, but not for a session", async (t) => {
  const { url, seen } = await serving(t, (request, response, n) => {
    if (request.url.endsWith("/session") || n === 0) request.socket.destroy();
    else response.end(JSON.stringify({ id: "free_cmp_1" }));
  });
  assert.equal((await client(url).complete(ASKED)).id, "free_cmp_1");
  await assert.rejects(client(url).session(), { code: "connection_failed", retryable: true });
  assert.equal(seen.length, 3);
});

test("an answer that does not come is given up", async (t) => {
  const { url, seen } = await serving(t, () => {});
  await assert.rejects(client(url, { timeoutMs: 500 }).complete(ASKED), { code: "timeout" });
  assert.equal(seen.length, 1);
});

test("a challenge that cannot be solved here is said to be so", async (t) => {
  const parameters = { algorithm: "ARGON2ID", cost: 1, keyLength: 32, keyPrefix: "00", nonce: "", salt: "" };
  const { url } = await serving(t, (_, response) =>
    refuse(response, 403, { code: "challenge_required", challenge: { parameters, signature: "" } }),
  );
  await assert.rejects(client(url).session(), { code: "proof_failed", message: /ARGON2ID/ });
  await assert.rejects(client(url).session({ maxProofMs: 0 }), { code: "challenge_required" });
});

test("a proof that takes too long is not given", async (t) => {
  const parameters = {
    algorithm: "PBKDF2/SHA-256", cost: 1, keyLength: 32, keyPrefix: "f".repeat(64), nonce: "00", salt: "00",
  };
  const { url } = await serving(t, (_, response) =>
    refuse(response, 403, { code: "challenge_required", challenge: { parameters, signature: "" } }),
  );
  await assert.rejects(client(url).session({ maxProofMs: 30 }), { code: "proof_failed", message: /longer/ });
});
