// An answer as it is written: pieces are gathered, and shown a few times a second.

import type { ServiceError } from "../shapes";
import type { AnswerReceipt, Exchange } from "./conversation";
import type { Piece } from "./source";

const FRAME_MS = 60;
/** Who asked their system for less motion sees paragraphs come, not letters. */
const CALM_FRAME_MS = 1_000;

export class Writing {
  #exchange: Exchange;
  readonly #show: (exchange: Exchange) => void;
  readonly #beganMs = performance.now();
  readonly #frameMs: number;
  #text = "";
  #receipt: AnswerReceipt;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(exchange: Exchange, show: (exchange: Exchange) => void) {
    this.#exchange = exchange;
    this.#show = show;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#frameMs = calm ? CALM_FRAME_MS : FRAME_MS;
    this.#receipt = {
      requestId: null,
      model: null,
      attempts: 1,
      cache: null,
      firstTokenMs: null,
      totalMs: 0,
      tokens: null,
    };
  }

  get id(): string {
    return this.#exchange.id;
  }

  get question(): string {
    return this.#exchange.question;
  }

  add(piece: Piece): void {
    switch (piece.kind) {
      case "head": {
        const { requestId, model, attempts, cache } = piece;
        this.#receipt = { ...this.#receipt, requestId, model, attempts, cache };
        break;
      }
      case "waiting":
        if (this.#text === "") this.#change({ state: piece.place === null ? "waiting" : "queued", place: piece.place, waitS: piece.waitS });
        break;
      case "text":
        this.#text += piece.text;
        this.#receipt.firstTokenMs ??= performance.now() - this.#beganMs;
        this.#timer ??= setTimeout(() => this.#flush(), this.#frameMs);
        break;
      case "end":
        this.#receipt.requestId ??= piece.id;
        this.#receipt.tokens = piece.tokens;
        this.#receipt.model ??= piece.freeTier?.model ?? null;
        this.#receipt.attempts = piece.freeTier?.attempts ?? this.#receipt.attempts;
    }
  }

  end(state: "done" | "stopped" | "cut" | "failed", error: ServiceError | null = null): void {
    this.close();
    const receipt = { ...this.#receipt, totalMs: performance.now() - this.#beganMs };
    const isReal = state !== "failed" && (receipt.requestId !== null || this.#text !== "");
    this.#change({ state, error, answer: this.#text, receipt: isReal ? receipt : null });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #flush(): void {
    this.#timer = undefined;
    this.#change({ state: "streaming", answer: this.#text });
  }

  #change(change: Partial<Exchange>): void {
    this.#exchange = { ...this.#exchange, ...change };
    this.#show(this.#exchange);
  }
}
