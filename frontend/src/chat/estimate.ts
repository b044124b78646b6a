// What a message will roughly cost, before it is sent, and what has to go for it to fit. Pure.

import type { Standing } from "../standing";
import { count, short } from "../words";

const ASCII_PER_TOKEN = 3.5;
const OTHERS = 1.1;
const USUAL_ANSWER = 300;
const LEAST_ANSWER = 64;

export interface Said {
  readonly question: string;
  readonly answer: string;
}

export interface Bounds {
  /** Characters of the newest message. */
  promptChars: number;
  /** Tokens of the whole conversation. */
  contextTokens: number;
}

export interface Preview {
  words: string;
  fits: boolean;
  /** Why not, for a person; empty where it fits. */
  reason: string;
}

/** As the service guesses: a token for 3.5 ASCII characters, 1.1 for any other. A little high. */
export function tokensOf(text: string): number {
  let others = 0;
  let ascii = 0;
  for (const char of text) {
    if (char <= "\u007f") ascii += 1;
    else others += 1;
  }
  return ascii / ASCII_PER_TOKEN + others * OTHERS;
}

interface Counted {
  question: number;
  answer: number;
}

/** Exchanges never change; only what is new is counted while somebody types, or is answered. */
const known = new WeakMap<Said, Counted>();

function countedOf(said: Said): Counted {
  let counted = known.get(said);
  if (counted === undefined) {
    counted = { question: tokensOf(said.question), answer: tokensOf(said.answer) };
    known.set(said, counted);
  }
  return counted;
}

export function tokensOfAll(said: readonly Said[], draft: string): number {
  return said.map(countedOf).reduce((sum, { question, answer }) => sum + question + answer, tokensOf(draft));
}

/** "about 1 of 37 requests, 2.1 k of 6.4 k tokens". */
export function preview(draft: string, said: readonly Said[], now: Standing | null, bounds: Bounds): Preview {
  const prompt = tokensOfAll(said, draft);
  const answers = said.map((one) => countedOf(one).answer).filter((tokens) => tokens > 0);
  const answer = answers.length === 0 ? USUAL_ANSWER : answers.reduce((a, b) => a + b) / answers.length;
  const cost = Math.ceil(prompt + answer);
  const reason = excess(draft, prompt, now, bounds);
  return { words: words(cost, now), fits: reason === "", reason };
}

function words(cost: number, now: Standing | null): string {
  const requests = leastRequests(now);
  const tokens = now?.tokens?.remaining ?? null;
  const first = requests === null ? "about 1 request" : `about 1 of ${count(requests)} requests`;
  const second = tokens === null ? `${short(cost)} tokens` : `${short(cost)} of ${short(tokens)} tokens`;
  return `${first}, ${second}`;
}

function leastRequests(now: Standing | null): number | null {
  const left = (now?.windows ?? [])
    .filter(({ unit, remaining }) => unit === "requests" && remaining !== null)
    .map(({ remaining }) => remaining ?? 0);
  return left.length === 0 ? null : Math.min(...left);
}

function excess(draft: string, prompt: number, now: Standing | null, bounds: Bounds): string {
  if (draft.length > bounds.promptChars) {
    return `${count(draft.length)} characters; at most ${count(bounds.promptChars)} fit into one message.`;
  }
  if (prompt + LEAST_ANSWER > bounds.contextTokens) {
    return "The conversation is longer than the models can read.";
  }
  const left = now?.tokens?.remaining ?? null;
  if (left !== null && prompt + LEAST_ANSWER > left) {
    return `Needs about ${short(Math.ceil(prompt + LEAST_ANSWER))} tokens, and ${short(left)} are left.`;
  }
  return "";
}

export interface Trimmed {
  draft: string;
  /** How many of the oldest exchanges are not sent any more. */
  dropped: number;
}

/** Drop the oldest exchanges first, then the end of the draft, until everything fits. */
export function trim(draft: string, said: readonly Said[], now: Standing | null, bounds: Bounds): Trimmed {
  const most = Math.min(bounds.contextTokens, now?.tokens?.remaining ?? Infinity) - LEAST_ANSWER;
  let kept = draft.length > bounds.promptChars ? cutAt(draft, bounds.promptChars) : draft;
  let dropped = 0;
  while (dropped < said.length && tokensOfAll(said.slice(dropped), kept) > most) dropped += 1;
  while (kept !== "" && tokensOf(kept) > most) {
    kept = cutAt(kept, Math.floor(kept.length * Math.min(0.95, Math.max(0, most) / tokensOf(kept))));
  }
  return { draft: kept, dropped };
}

/** At most so many characters, ending at a paragraph, a sentence or a word where one is near. */
function cutAt(text: string, most: number): string {
  const cut = text.slice(0, most);
  const near = cut.length * 0.8;
  for (const ends of [/\n\s*\n(?![\s\S]*\n\s*\n)/, /[.!?]\s(?![\s\S]*[.!?]\s)/, /\s(?!.*\s)/]) {
    const at = cut.search(ends);
    if (at > near) return cut.slice(0, at + 1).trimEnd();
  }
  // Never half of a character that takes two.
  return /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut;
}
