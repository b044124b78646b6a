import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { IncomingMessage, ServerResponse } from "node:http";
import { test } from "node:test";
import { Broken, fromHost, fromService } from "../src/chat/source";
import type { Piece, Question } from "../src/chat/source";
import { OFFLINE, Refused, Service } from "../src/service";

const QUESTION: Question = { messages: [{ role: "user", content: "Hi" }], fresh: true, turn: "turn-1", stream: true };
const FREE_TIER = { remaining_requests: 4, reset_time: null, upgrade_prompt: false, tier: "anonymous", remaining_tokens: 1, window: null, session_id: null, trigger: null };

/** A server for one answer, and what it was asked. */
async function answering<T>(
  answer: (response: ServerResponse, request: IncomingMessage) => void,
  use: (service: Service, seen: () => IncomingMessage | undefined) => Promise<T>,
): Promise<T> {
  let seen: IncomingMessage | undefined;
  const server = createServer((request, response) => {
    seen = request;
    answer(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await use(new Service(`http://127.0.0.1:${port}/`), () => seen);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function all(pieces: AsyncIterable<Piece>): Promise<Piece[]> {
  const found: Piece[] = [];
  for await (const piece of pieces) found.push(piece);
  return found;
}

const NEVER = new AbortController().signal;

function chunk(content: string, more: object = {}): string {
  return `data: ${JSON.stringify({ id: "free_cmp_1", choices: [{ index: 0, delta: { content } }], ...more })}\n\n`;
}

test("a stream becomes its head, its place, its text and its end", async () => {
  const found = await answering(
    (response) => {
      response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "x-request-id": "req_1", "x-scalix-model": "a/b", "x-scalix-attempts": "2" });
      response.write(": queued 2, about 5 s\n\n");
      response.write(chunk("He") + chunk("llo"));
      response.write(`data: ${JSON.stringify({ choices: [{ delta: {}, finish_reason: "stop" }], free_tier: FREE_TIER })}\n\n`);
      response.end(`data: ${JSON.stringify({ choices: [], usage: { total_tokens: 7 } })}\n\ndata: [DONE]\n\n`);
    },
    async (service, seen) => {
      const pieces = await all(fromService(service, QUESTION, NEVER));
      assert.equal(seen()?.headers["cache-control"], "no-cache");
      assert.equal(seen()?.headers["idempotency-key"], "turn-1");
      return pieces;
    },
  );

  assert.deepEqual(found, [
    { kind: "head", requestId: "req_1", model: "a/b", attempts: 2, cache: null },
    { kind: "waiting", place: 2, waitS: 5 },
    { kind: "text", text: "He" },
    { kind: "text", text: "llo" },
    { kind: "end", id: "free_cmp_1", tokens: 7, freeTier: FREE_TIER },
  ]);
});

test("an answer that is not streamed is one piece", async () => {
  const body = { id: "free_cmp_1", choices: [{ message: { content: "Hello" } }], usage: { total_tokens: 7 }, free_tier: FREE_TIER };
  const found = await answering(
    (response) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body)),
    (service) => all(fromService(service, { ...QUESTION, stream: false, fresh: false }, NEVER)),
  );

  assert.deepEqual(found.slice(1), [
    { kind: "text", text: "Hello" },
    { kind: "end", id: "free_cmp_1", tokens: 7, freeTier: FREE_TIER },
  ]);
});

test("a stream that ends without its mark is broken, however politely it ends", async () => {
  await answering(
    (response) => response.writeHead(200, { "content-type": "text/event-stream" }).end(chunk("He")),
    (service) => assert.rejects(all(fromService(service, QUESTION, NEVER)), Broken),
  );
});

test("a frame with an error is broken after content, and a refusal before it", async () => {
  const error = `data: ${JSON.stringify({ error: { message: "It broke off.", code: "upstream_error" } })}\n\n`;
  for (const [before, kind] of [[chunk("He"), Broken], ["", Refused]] as const) {
    await answering(
      (response) => response.writeHead(200, { "content-type": "text/event-stream" }).end(before + error),
      (service) => assert.rejects(all(fromService(service, QUESTION, NEVER)), kind),
    );
  }
});

test("a refusal has the words of the service, or of nobody", async () => {
  const error = { message: "Full.", code: "free_tier_daily_limit", reset_at: "2026-11-26T15:00:00Z" };
  for (const [body, message] of [[JSON.stringify({ error }), "Full."], ["<html>", "The service answered 429. Try again in a moment."]] as const) {
    await answering(
      (response) => response.writeHead(429).end(body),
      (service) => assert.rejects(all(fromService(service, QUESTION, NEVER)), { name: "Refused", message }),
    );
  }
});

test("nobody there is offline", async () => {
  const gone = await answering(() => undefined, (service) => Promise.resolve(service));

  await assert.rejects(gone.limits(), (caught: Refused) => caught.error.code === OFFLINE);
});

test("a host answers at once, in chunks or in plain text", async () => {
  const whole = fromHost(() => Promise.resolve({ choices: [{ message: { content: "Hello" } }] }), QUESTION, NEVER);
  async function* pieces() {
    yield "He";
    yield { choices: [{ delta: { content: "llo" } }] };
  }

  assert.deepEqual((await all(whole)).map((piece) => piece.kind), ["text", "end"]);
  assert.deepEqual(
    (await all(fromHost(pieces, QUESTION, NEVER))).flatMap((piece) => (piece.kind === "text" ? [piece.text] : [])),
    ["He", "llo"],
  );
});

test("a host's refusal is one, with its time", async () => {
  const refused = { error: "RATE_LIMIT_EXCEEDED", message: "Free tier limit exceeded. Please upgrade to Pro.", resetTime: "2026-11-26T15:00:00Z" };
  const asked = all(fromHost(() => Promise.resolve(refused), QUESTION, NEVER));

  await assert.rejects(asked, (caught: Refused) => {
    assert.equal(caught.error.code, "RATE_LIMIT_EXCEEDED");
    assert.equal(caught.error.reset_at, "2026-11-26T15:00:00.000Z");
    return true;
  });
});

test("a frame or an answer that is none was torn on its way", async () => {
  const torn: [type: string, body: string][] = [
    ["text/event-stream", `${chunk("He")}data: {"choices\n\n`],
    ["application/json", '{"choices": [{"mess'],
  ];
  for (const [type, body] of torn) {
    await answering(
      (response) => response.writeHead(200, { "content-type": type }).end(body),
      (service) => assert.rejects(all(fromService(service, QUESTION, NEVER)), Broken),
    );
  }
});

test("who stops waits for no host, whether it hears the signal or not", async () => {
  const never = new Promise<never>(() => undefined);
  async function* pieces() {
    yield "He";
    await never;
  }
  for (const [ask, heard] of [[() => never, 0], [pieces, 1]] as const) {
    const stop = new AbortController();
    const found: Piece[] = [];
    const asking = (async () => {
      for await (const piece of fromHost(ask, QUESTION, stop.signal)) {
        found.push(piece);
        stop.abort();
      }
    })();
    if (heard === 0) stop.abort();
    await assert.rejects(asking, { name: "AbortError" });
    assert.equal(found.length, heard);
  }
});
