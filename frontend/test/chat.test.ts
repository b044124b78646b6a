import assert from "node:assert/strict";
import { test } from "node:test";
import { askedAgain, begun, carried, isAtLimit, letsDown, messages, receiptWords, returned, stands, turnOf } from "../src/chat/conversation";
import type { AnswerReceipt, Exchange } from "../src/chat/conversation";
import { preview, tokensOf, trim } from "../src/chat/estimate";
import { FrameCutter, placeOf } from "../src/chat/events";
import { APART_MS, Sentences, spoken } from "../src/chat/sentences";
import { standing } from "../src/standing";

const BOUNDS = { promptChars: 100, contextTokens: 1_000 };
const RECEIPT: AnswerReceipt = {
  requestId: "req_1",
  model: "world/good",
  attempts: 1,
  cache: "miss",
  firstTokenMs: 430,
  totalMs: 900,
  tokens: 212,
};

function exchange(change: Partial<Exchange>): Exchange {
  return { ...begun("turn-1", "Why?"), ...change };
}

function left(requests: number, tokens: number) {
  return standing({
    tier: "anonymous",
    windows: [
      { name: "requests_day", unit: "requests", used: 0, limit: 50, remaining: requests, resets_at: null },
      { name: "tokens_day", unit: "tokens", used: 0, limit: 10_000, remaining: tokens, resets_at: null },
    ],
    remaining_requests: requests,
    reset_time: null,
    near_limit: false,
    upgrade_prompt: false,
    binding: "requests_day",
  });
}

// ── Frames ────────────────────────────────────────────────────────────────────────────────────

test("frames are the same wherever the stream is cut", () => {
  const stream = ': queued 3, about 12 s\n\ndata: {"a":1}\r\n\r\ndata:{"b":"ü\\n"}\n\ndata: [DONE]\n\n';
  const whole = new FrameCutter().cut(stream);

  assert.equal(whole.length, 4);
  for (let at = 0; at <= stream.length; at += 1) {
    const cutter = new FrameCutter();
    assert.deepEqual([...cutter.cut(stream.slice(0, at)), ...cutter.cut(stream.slice(at))], whole, `cut at ${at}`);
  }
});

test("a place in the queue is read, other comments are not one", () => {
  assert.deepEqual(placeOf("queued 3, about 12 s"), { place: 3, waitS: 12 });
  assert.deepEqual(placeOf("waiting"), { place: null, waitS: null });
  assert.equal(placeOf("keep-alive"), null);
});

// ── The conversation ──────────────────────────────────────────────────────────────────────────

test("what was answered goes along, what failed or was trimmed does not", () => {
  const all = [
    exchange({ id: "a", question: "A", answer: "1", state: "done" }),
    exchange({ id: "b", question: "B", answer: "", state: "failed" }),
    exchange({ id: "c", question: "C", answer: "3", state: "done", dropped: true }),
    exchange({ id: "d", question: "D", answer: "4", state: "stopped" }),
    exchange({ id: "e", question: "E" }),
  ];

  assert.deepEqual(
    messages(all, "e").map(({ content }) => content),
    ["A", "1", "D", "4", "E"],
  );
  assert.equal(messages(all, "a").length, 1);
  assert.deepEqual(carried(all).length, 2);
});

test("another answer counts, trying again after a failure does not", () => {
  assert.equal(askedAgain(exchange({ state: "done", again: 1 })).again, 2);
  assert.equal(askedAgain(exchange({ state: "failed", again: 1 })).again, 1);
  assert.equal(askedAgain(exchange({ state: "done", answer: "No", rating: -1 })).rating, null);
});

test("quality is spoken of after thumbs down, two new answers or two fallbacks", () => {
  const done = { state: "done" as const, answer: "x" };

  assert.equal(letsDown(exchange({ ...done, receipt: RECEIPT })), null);
  assert.equal(letsDown(exchange({ ...done, again: 1 })), null);
  assert.equal(letsDown(exchange({ ...done, rating: 1 })), null);
  assert.equal(letsDown(exchange({ ...done, rating: -1 })), "rated");
  assert.equal(letsDown(exchange({ ...done, again: 2 })), "again");
  assert.equal(letsDown(exchange({ ...done, receipt: { ...RECEIPT, attempts: 3 } })), "fallback");
  assert.equal(letsDown(exchange({ ...done, state: "streaming", again: 2 })), null);
});

test("the card takes the composer's place for limits that last", () => {
  const limit = (code: string, retry?: number) => isAtLimit({ message: "", code, retry_after_seconds: retry ?? null });

  assert.equal(limit("free_tier_daily_limit", 7_200), true);
  assert.equal(limit("RATE_LIMIT_EXCEEDED"), true);
  assert.equal(limit("ip_rate_limit", 20), false);
  assert.equal(limit("free_tier_concurrency", 2), false);
  assert.equal(limit("no_free_model_available", 900), false);
});

test("a receipt says who answered, how fast and for how much", () => {
  assert.deepEqual(receiptWords(exchange({ state: "done", receipt: { ...RECEIPT, attempts: 2 } })), [
    "world/good", "after 1 fallback", "first word 0.4 s", "1 request, 212 tokens",
  ]);
  assert.deepEqual(receiptWords(exchange({ state: "failed" })), ["not charged"]);
  assert.match(receiptWords(exchange({ state: "done", receipt: { ...RECEIPT, cache: "hit" } })).join(), /from memory/);
  const local = { ...RECEIPT, model: "local/demonstration-smollm2-135m" };
  assert.match(receiptWords(exchange({ state: "done", receipt: local })).join(), /demonstration/);
});

// ── What it will cost ─────────────────────────────────────────────────────────────────────────

test("tokens are guessed as the service does", () => {
  assert.equal(tokensOf("x".repeat(35)), 10);
  assert.equal(Math.round(tokensOf("日本語")), 3);
});

test("the price stands there before it is paid", () => {
  const seen = preview("x".repeat(70), [{ question: "x".repeat(350), answer: "y".repeat(700) }], left(37, 6_400), BOUNDS);

  assert.equal(seen.words, "about 1 of 37 requests, 520 of 6.4 k tokens");
  assert.equal(seen.fits, true);
});

test("what does not fit says why", () => {
  assert.match(preview("x".repeat(101), [], left(5, 900), BOUNDS).reason, /101 characters; at most 100/);
  assert.match(preview("x", [{ question: "x".repeat(4_000), answer: "y" }], null, BOUNDS).reason, /longer than the models can read/);
  assert.match(preview("x".repeat(70), [], left(5, 70), BOUNDS).reason, /Needs about 84 tokens, and 70 are left/);
});

test("trimming lets go of the oldest first, and then of the draft's end", () => {
  const said = [1, 2, 3].map((n) => ({ question: `${n}`.repeat(350), answer: "y".repeat(350) }));

  assert.deepEqual(trim("short", said, left(5, 500), BOUNDS), { draft: "short", dropped: 1 });
  assert.deepEqual(trim("short", said, null, { promptChars: 100, contextTokens: 100_000 }), { draft: "short", dropped: 0 });
  const cut = trim(`${"A sentence of it. ".repeat(8)}`, [], null, BOUNDS);
  assert.equal(cut.draft, "A sentence of it. ".repeat(5).trim());
});

test("whatever was trimmed fits", () => {
  for (const text of ["word ".repeat(500), "x".repeat(3_000), "日".repeat(2_000), "😀".repeat(300), ""]) {
    for (const tokens of [80, 200, 5_000]) {
      const { draft } = trim(text, [{ question: "q".repeat(400), answer: "" }], left(5, tokens), BOUNDS);
      const seen = preview(draft, [], left(5, tokens), BOUNDS);
      assert.equal(seen.reason, "", `${text.slice(0, 3)} into ${tokens}`);
      assert.doesNotMatch(draft, /[\ud800-\udbff]$/, "half a character");
    }
  }
});

// ── What is heard ─────────────────────────────────────────────────────────────────────────────

test("a screen reader gets whole sentences, and time to say them", () => {
  const heard = new Sentences();
  heard.feed("Recursion is a fun");
  assert.equal(heard.take(0), null);
  heard.feed("ction calling itself. It needs an end. And th");
  assert.equal(heard.take(0), "Recursion is a function calling itself. It needs an end.");
  heard.feed("en some.\n");
  assert.equal(heard.take(APART_MS - 1), null);
  assert.equal(heard.take(APART_MS), "And then some.");
  heard.feed("No full stop");
  assert.equal(heard.end(), "No full stop");
});

test("marks of Markdown are not read out", () => {
  assert.equal(spoken("## A **bold** [link](https://a.example) and `code`"), "A bold link and code");
});

// ── Another answer ────────────────────────────────────────────────────────────────────────────

test("another answer is a turn of its own, and a failure of it is the same one", () => {
  const another = askedAgain(exchange({ state: "done", answer: "So." }));
  const tried = askedAgain({ ...another, state: "failed" });

  assert.deepEqual([turnOf(begun("turn-1", "Why?")), turnOf(another), turnOf(tried)], ["turn-1", "turn-1-1", "turn-1-1"]);
});

test("an answer stands until another one has words", () => {
  const before = exchange({ state: "done", answer: "So.", receipt: RECEIPT, rating: 1 });
  const another = askedAgain(before);
  const error = { message: "No model.", code: null };

  assert.equal(stands(before, { ...another, state: "stopped" }), before);
  for (const state of ["failed", "cut"] as const) {
    const failed = stands(before, { ...another, state, error });
    assert.deepEqual(failed, { ...another, state: "failed", answer: "So.", error });
  }
  for (const after of [another, { ...another, state: "cut", answer: "Bec" } as const, { ...another, state: "done", answer: "Because." } as const]) {
    assert.equal(stands(before, after), after);
  }
  const first = exchange({ state: "stopped" });
  assert.equal(stands(null, first), first);
});

test("a question that comes back takes nothing away that was typed meanwhile", () => {
  assert.equal(returned("Why?", ""), "Why?");
  assert.equal(returned("Why?", "Why?"), "Why?");
  assert.equal(returned("", "And"), "And");
  assert.equal(returned("Why?", "And when?"), "Why?\n\nAnd when?");
});
