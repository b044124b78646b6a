import { FreeApiError, fromEnvelope, record } from "./errors.js";
import { EventReader } from "./events.js";
import type { Patience } from "./patience.js";
import type { Chunk, FreeTier, Receipt } from "./shapes.js";

/**
 * An answer as it comes: iterate over it once. The loop ends by itself only if the answer was
 * whole; if it broke off, whoever cut it, the loop throws. Leaving the loop hangs up.
 */
export class CompletionStream implements AsyncIterable<Chunk> {
  /** Who answers. */
  receipt: Receipt;
  /** What is left after this answer; null until it is whole. */
  freeTier: FreeTier | null = null;
  readonly #body: ReadableStream<Uint8Array>;
  readonly #patience: Patience;
  readonly #heard: ((comment: string) => void) | undefined;
  #begun = false;

  constructor(
    body: ReadableStream<Uint8Array>,
    receipt: Receipt,
    patience: Patience,
    heard?: (comment: string) => void,
  ) {
    this.#body = body;
    this.receipt = receipt;
    this.#patience = patience;
    this.#heard = heard;
  }

  /** Hang up. The loop throws an `AbortError`. */
  abort(): void {
    this.#patience.abort();
  }

  /** Read all of it; the text of the answer. */
  async text(): Promise<string> {
    let said = "";
    for await (const chunk of this) said += chunk.choices[0]?.delta.content ?? "";
    return said;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void, undefined> {
    if (this.#begun) throw new TypeError("A stream can be read once.");
    this.#begun = true;
    const reader = this.#body.getReader();
    let isWhole = false;
    try {
      for await (const data of this.#data(reader)) {
        if (data === "[DONE]") {
          isWhole = true;
          break;
        }
        const chunk = this.#chunk(data);
        if (chunk.free_tier !== undefined) this.#note(chunk.free_tier);
        yield chunk;
      }
      if (!isWhole) throw this.#lost("The answer broke off: its end did not come.");
    } finally {
      // Read to the end the connection can be used again; else nobody needs it.
      if (isWhole) void this.#drained(reader);
      else this.#patience.abort();
    }
  }

  async #drained(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    await this.#patience.bound(reader.read()).catch(() => {});
    this.#patience.end();
  }

  async *#data(
    reader: ReadableStreamDefaultReader<Uint8Array>,
  ): AsyncGenerator<string, void, undefined> {
    const decoder = new TextDecoder();
    const events = new EventReader();
    for (;;) {
      const piece = await this.#patience.bound(reader.read()).catch((cause: unknown) => {
        throw this.#patience.why() ?? this.#lost("The answer broke off.", cause);
      });
      if (piece.done) return;
      for (const event of events.read(decoder.decode(piece.value, { stream: true }))) {
        if ("data" in event) yield event.data;
        else this.#heard?.(event.comment);
      }
    }
  }

  #chunk(data: string): Chunk {
    let frame: unknown;
    try {
      frame = JSON.parse(data);
    } catch (cause) {
      throw this.#strange(cause);
    }
    const { requestId } = this.receipt;
    const error = fromEnvelope(frame, { status: null, requestId });
    if (error !== null) throw error;
    if (!Array.isArray(record(frame)?.["choices"])) throw this.#strange();
    return frame as Chunk;
  }

  #note(freeTier: FreeTier): void {
    this.freeTier = freeTier;
    this.receipt = {
      ...this.receipt,
      model: freeTier.model ?? this.receipt.model,
      attempts: freeTier.attempts ?? this.receipt.attempts,
    };
  }

  #lost(message: string, cause?: unknown): FreeApiError {
    const { requestId } = this.receipt;
    return new FreeApiError(
      message,
      { code: "connection_lost", legacyCode: "COMPLETION_FAILED", retryable: true, requestId },
      { cause },
    );
  }

  #strange(cause?: unknown): FreeApiError {
    const { requestId } = this.receipt;
    const message = "The stream has a frame that Scalix Free does not send.";
    return new FreeApiError(message, { code: "invalid_response", requestId }, { cause });
  }
}
