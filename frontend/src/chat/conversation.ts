// The conversation as values: what was asked, how each answer stands. Pure.

import type { ServiceError } from "../shapes";
import { plural, seconds } from "../words";
import type { Said } from "./estimate";

export type State =
  | "waiting"
  | "queued"
  | "streaming"
  | "done"
  | "stopped"
  | "failed"
  | "cut";

/** What an answer cost, and who gave it. */
export interface AnswerReceipt {
  requestId: string | null;
  model: string | null;
  attempts: number;
  cache: string | null;
  firstTokenMs: number | null;
  totalMs: number;
  tokens: number | null;
}

export interface Exchange {
  readonly id: string;
  readonly question: string;
  readonly answer: string;
  readonly state: State;
  readonly place: number | null;
  readonly waitS: number | null;
  readonly error: ServiceError | null;
  readonly receipt: AnswerReceipt | null;
  readonly rating: -1 | 1 | null;
  /** How often another answer was asked for in a row. */
  readonly again: number;
  /** Not sent along any more: it was trimmed away. */
  readonly dropped: boolean;
}

export function begun(id: string, question: string): Exchange {
  return {
    id,
    question,
    answer: "",
    state: "waiting",
    place: null,
    waitS: null,
    error: null,
    receipt: null,
    rating: null,
    again: 0,
    dropped: false,
  };
}

/** The same question once more; an answer that stood is asked anew, a failure is tried again. */
export function askedAgain(exchange: Exchange): Exchange {
  const stood = exchange.state === "done" || exchange.state === "stopped";
  return {
    ...begun(exchange.id, exchange.question),
    again: stood ? exchange.again + 1 : exchange.again,
  };
}

/** How a turn is called: a failure that is tried again is the same one, and charged once. */
export function turnOf({ id, again }: Exchange): string {
  return again === 0 ? id : `${id}-${again}`;
}

/** Another answer takes the place of the one before with its first words, and not sooner. */
export function stands(before: Exchange | null, after: Exchange): Exchange {
  if (before === null || before.answer === "" || after.answer !== "" || isOpen(after)) return after;
  if (after.state === "stopped") return before;
  return { ...after, state: "failed", answer: before.answer, receipt: null };
}

/** What comes back into the composer, before what was typed there meanwhile. */
export function returned(question: string, typed: string): string {
  if (question === "" || typed.trim() === "" || typed === question) return question === "" ? typed : question;
  return `${question}\n\n${typed}`;
}

export function isOpen({ state }: Exchange): boolean {
  return state === "waiting" || state === "queued" || state === "streaming";
}

export interface Message {
  role: "user" | "assistant";
  content: string;
}

/** What is sent: everything that was answered, and the question that is open. */
export function messages(exchanges: readonly Exchange[], open: string): Message[] {
  const sent: Message[] = [];
  for (const { id, question, answer, dropped } of exchanges) {
    if (id === open) {
      sent.push({ role: "user", content: question });
      break;
    }
    if (dropped || answer === "") continue;
    sent.push({ role: "user", content: question }, { role: "assistant", content: answer });
  }
  return sent;
}

/** What the next question would carry along. */
export function carried(exchanges: readonly Exchange[]): Said[] {
  return exchanges.filter(({ dropped, answer }) => !dropped && answer !== "");
}

/** How many answers of models failed before this one. */
export function fallbackDepth({ receipt }: Exchange): number {
  return Math.max(0, (receipt?.attempts ?? 1) - 1);
}

/** Whether something is wrong enough to speak of quality: thumbs down, two new answers, two fallbacks. */
export function letsDown(exchange: Exchange): "rated" | "again" | "fallback" | null {
  if (exchange.state !== "done") return null;
  if (exchange.rating === -1) return "rated";
  if (exchange.again >= 2) return "again";
  return fallbackDepth(exchange) >= 2 ? "fallback" : null;
}

const SHORT_S = 60;
const LIMITS = new Set([
  "free_tier_hourly_limit",
  "free_tier_daily_limit",
  "free_tier_token_limit",
  "session_limit",
  "ip_rate_limit",
  "RATE_LIMIT_EXCEEDED",
]);
const TOO_LONG = new Set(["prompt_too_long", "context_length_exceeded", "request_exceeds_quota", "body_too_large"]);

/** A refusal that lasts: the composer gives way to the card. What passes in a minute is tried again. */
export function isAtLimit({ code, retry_after_seconds }: ServiceError): boolean {
  if (code === null || !LIMITS.has(code)) return false;
  return typeof retry_after_seconds !== "number" || retry_after_seconds > SHORT_S;
}

export function isTooLong({ code }: ServiceError): boolean {
  return code !== null && TOO_LONG.has(code);
}

/** What stands under an answer that is at an end: who gave it, how fast, for how much. */
export function receiptWords(exchange: Exchange): string[] {
  const { receipt, state } = exchange;
  const words: string[] = [];
  if (receipt?.model) words.push(receipt.model);
  if (receipt?.model?.startsWith("local/demonstration")) words.push("a demonstration model, no assistant");
  if (receipt?.cache === "hit") words.push("given again from memory");
  const depth = fallbackDepth(exchange);
  if (depth > 0) words.push(depth === 1 ? "after 1 fallback" : `after ${depth} fallbacks`);
  if (receipt !== null && receipt.firstTokenMs !== null) words.push(`first word ${seconds(receipt.firstTokenMs)}`);
  if (state === "failed") words.push("not charged");
  if (state === "cut") words.push("the request was given back");
  if (state === "stopped" && exchange.answer !== "") words.push("stopped, charged as 1 request");
  if (state === "done") {
    words.push(receipt?.tokens ? `1 request, ${plural(receipt.tokens, "token")}` : "1 request");
  }
  return words;
}
