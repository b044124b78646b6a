// What a screen reader hears of an answer: its place in the queue, whole sentences, and how it ends.

import type { Exchange } from "./conversation";
import { Sentences } from "./sentences";
import type { Piece } from "./source";

const ENDS: Partial<Record<string, string>> = {
  done: "Answer complete.",
  stopped: "Stopped.",
  cut: "The answer broke off.",
};

export class Voice {
  readonly #say: (words: string) => void;
  #sentences = new Sentences();
  #place: number | null = null;

  constructor(say: (words: string) => void) {
    this.#say = say;
  }

  begin(): void {
    this.#sentences = new Sentences();
    this.#place = null;
  }

  hear(piece: Piece, nowMs: number): void {
    if (piece.kind === "text") this.#sentences.feed(piece.text);
    if (piece.kind === "waiting" && piece.place !== this.#place) {
      this.#place = piece.place;
      if (piece.place !== null) this.#say(`Number ${piece.place} in the queue, about ${piece.waitS} seconds.`);
    }
    const said = this.#sentences.take(nowMs);
    if (said !== null) this.#say(said);
  }

  /** The rest of it; of a failure what it says. */
  end(state: Exchange["state"] | "refused", error: string | null): void {
    const end = state === "failed" ? (error ?? "No answer.") : (ENDS[state] ?? "");
    this.#say(`${this.#sentences.end()} ${end}`.trim());
  }
}
