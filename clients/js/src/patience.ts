import { FreeApiError } from "./errors.js";

/**
 * How long a call may take, and who may end it: the caller's signal, `abort`, or the clock. All
 * three abort `signal`, and so the request.
 */
export class Patience {
  readonly #control = new AbortController();
  readonly #limitMs: number;
  readonly #outer: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(limitMs: number, outer: AbortSignal | undefined) {
    this.#limitMs = limitMs;
    this.#outer = outer;
    outer?.throwIfAborted();
    outer?.addEventListener("abort", this.#follow, { once: true });
  }

  get signal(): AbortSignal {
    return this.#control.signal;
  }

  abort(reason: unknown = new DOMException("The call was aborted.", "AbortError")): void {
    this.end();
    this.#control.abort(reason);
  }

  /** Nothing is waited for any more: let go of the clock and of the caller's signal. */
  end(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#follow);
  }

  /** Wait for something no longer than may be; each wait has the whole time. */
  async bound<T>(waited: Promise<T>): Promise<T> {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.abort(tooLong(this.#limitMs)), this.#limitMs);
    try {
      return await waited;
    } finally {
      clearTimeout(this.#timer);
    }
  }

  /** Why it was aborted; null if it was not. */
  why(): unknown {
    return this.signal.aborted ? this.signal.reason : null;
  }

  readonly #follow = (): void => this.abort(this.#outer?.reason);
}

function tooLong(ms: number): FreeApiError {
  return new FreeApiError(`Nothing came for ${ms / 1000} s.`, {
    code: "timeout",
    legacyCode: "COMPLETION_FAILED",
    retryable: true,
  });
}
