import { FreeApiError } from "./errors.js";
/**
 * How long a call may take, and who may end it: the caller's signal, `abort`, or the clock. All
 * three abort `signal`, and so the request.
 */
export class Patience {
    #control = new AbortController();
    #limitMs;
    #outer;
    #timer;
    constructor(limitMs, outer) {
        this.#limitMs = limitMs;
        this.#outer = outer;
        outer?.throwIfAborted();
        outer?.addEventListener("abort", this.#follow, { once: true });
    }
    get signal() {
        return this.#control.signal;
    }
    abort(reason = new DOMException("The call was aborted.", "AbortError")) {
        this.end();
        this.#control.abort(reason);
    }
    /** Nothing is waited for any more: let go of the clock and of the caller's signal. */
    end() {
        clearTimeout(this.#timer);
        this.#outer?.removeEventListener("abort", this.#follow);
    }
    /** Wait for something no longer than may be; each wait has the whole time. */
    async bound(waited) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.abort(tooLong(this.#limitMs)), this.#limitMs);
        try {
            return await waited;
        }
        finally {
            clearTimeout(this.#timer);
        }
    }
    /** Why it was aborted; null if it was not. */
    why() {
        return this.signal.aborted ? this.signal.reason : null;
    }
    #follow = () => this.abort(this.#outer?.reason);
}
function tooLong(ms) {
    return new FreeApiError(`Nothing came for ${ms / 1000} s.`, {
        code: "timeout",
        legacyCode: "COMPLETION_FAILED",
        retryable: true,
    });
}
