// The limit that is used up, the message that is kept for its end, and the clocks of both.

import { Refused } from "../service";
import type { Service } from "../service";
import type { Standing } from "../standing";
import { held, hold, take, watchHeld } from "./held";
import type { Held } from "./held";
import type { Limit, Mail } from "./limit-card";

/** So much after the moment that was told, the service's own clock has passed it too. */
const AFTER_MS = 500;
/** A limit that stands although its moment has passed: the clocks differ, and asking hurries nothing. */
const PATIENCE_MS = 30_000;
const LONGEST_TIMER_MS = 2_147_483_647;
const SECOND_MS = 1_000;

/** The chat that is limited. */
export interface Limitable {
  /** Whether an answer is being written: then nothing else can be sent. */
  readonly busy: boolean;
  requestUpdate(): void;
  /** Send what was kept. */
  send(text: string): Promise<void>;
  /** Look at the limits anew. */
  refresh(): Promise<void>;
}

/** How long until it is worth trying; a message that is due is not kept waiting. */
export function waitMs(atMs: number, nowMs: number, isHeld: boolean): number {
  if (atMs <= nowMs && !isHeld) return PATIENCE_MS;
  return Math.min(Math.max(atMs - nowMs, 0) + AFTER_MS, LONGEST_TIMER_MS);
}

export class Limited {
  limit: Limit | null = null;
  held: Held | null = held();
  /** What became of the address that raises it. */
  mail: Mail = "none";
  readonly #chat: Limitable;
  #wasEmpty = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #seconds: ReturnType<typeof setInterval> | undefined;
  #unwatch: (() => void) | undefined;

  constructor(chat: Limitable) {
    this.#chat = chat;
  }

  get isShown(): boolean {
    return this.limit !== null || this.held !== null;
  }

  connect(): void {
    this.#unwatch = watchHeld(() => this.#changed(this.limit, held()));
    this.#changed(this.limit, held());
  }

  disconnect(): void {
    this.#unwatch?.();
    this.#rest();
  }

  stopAt(limit: Limit): void {
    this.#changed(limit, this.held);
  }

  lift(): void {
    this.#changed(null, this.held);
  }

  /** What the limits say by themselves. True where nothing is left, and nothing says so yet. */
  see({ empty }: Standing): boolean {
    const isBack = this.#wasEmpty && !empty;
    this.#wasEmpty = empty;
    if (empty) return this.limit === null && !this.#chat.busy;
    // A refusal may be of a limit that is not seen: that one stands until its time.
    if (this.limit !== null && (isBack || this.limit.error === null)) this.lift();
    return false;
  }

  /** Keep a message until the limit resets; false where there is none, or nobody knows when. */
  hold(message: string): boolean {
    const text = message.trim();
    const at = this.limit?.resetAt;
    if (text === "" || !at) return false;
    this.#keep({ text, atMs: Date.parse(at) });
    return true;
  }

  /** The message that was kept, which is not sent any more. */
  release(): string {
    const text = this.held?.text ?? "";
    this.#keep(null);
    return text;
  }

  async register(service: Pick<Service, "register"> | null, email: string): Promise<void> {
    try {
      await service?.register(email);
      this.mail = "sent";
    } catch (error) {
      this.mail = { refused: error instanceof Refused ? error.message : "That did not work." };
    }
    this.#chat.requestUpdate();
  }

  /** An answer is at an end: what fell due meanwhile may be sent. */
  resume(): void {
    if (this.isShown) this.#wait();
  }

  #keep(message: Held | null): void {
    hold(message);
    this.#changed(this.limit, message);
  }

  #changed(limit: Limit | null, message: Held | null): void {
    this.limit = limit;
    this.held = message;
    this.#chat.requestUpdate();
    this.#wait();
  }

  #wait(): void {
    this.#rest();
    const at = this.held?.atMs ?? (this.limit?.resetAt ? Date.parse(this.limit.resetAt) : null);
    if (at === null) return;
    this.#timer = setTimeout(() => void this.#wake(at), waitMs(at, Date.now(), this.held !== null));
    this.#seconds = setInterval(() => this.#chat.requestUpdate(), SECOND_MS);
  }

  #rest(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#seconds);
  }

  async #wake(at: number): Promise<void> {
    if (Date.now() < at) return this.#wait();
    if (this.#chat.busy) return; // `resume` comes
    if (this.held === null) {
      this.lift();
      return this.#chat.refresh();
    }
    const taken = await take();
    this.#changed(null, null);
    if (taken === null) return this.#chat.refresh(); // another window sends it
    if (this.#chat.busy) this.#keep(taken);
    else await this.#chat.send(taken.text);
  }
}
