import { FreeApiError, fromEnvelope, record } from "./errors.js";
import { EventReader } from "./events.js";
/**
 * An answer as it comes: iterate over it once. The loop ends by itself only if the answer was
 * whole; if it broke off, whoever cut it, the loop throws. Leaving the loop hangs up.
 */
export class CompletionStream {
    /** Who answers. */
    receipt;
    /** What is left after this answer; null until it is whole. */
    freeTier = null;
    #body;
    #patience;
    #heard;
    #begun = false;
    constructor(body, receipt, patience, heard) {
        this.#body = body;
        this.receipt = receipt;
        this.#patience = patience;
        this.#heard = heard;
    }
    /** Hang up. The loop throws an `AbortError`. */
    abort() {
        this.#patience.abort();
    }
    /** Read all of it; the text of the answer. */
    async text() {
        let said = "";
        for await (const chunk of this)
            said += chunk.choices[0]?.delta.content ?? "";
        return said;
    }
    async *[Symbol.asyncIterator]() {
        if (this.#begun)
            throw new TypeError("A stream can be read once.");
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
                if (chunk.free_tier !== undefined)
                    this.#note(chunk.free_tier);
                yield chunk;
            }
            if (!isWhole)
                throw this.#lost("The answer broke off: its end did not come.");
        }
        finally {
            // Read to the end the connection can be used again; else nobody needs it.
            if (isWhole)
                void this.#drained(reader);
            else
                this.#patience.abort();
        }
    }
    async #drained(reader) {
        await this.#patience.bound(reader.read()).catch(() => { });
        this.#patience.end();
    }
    async *#data(reader) {
        const decoder = new TextDecoder();
        const events = new EventReader();
        for (;;) {
            const piece = await this.#patience.bound(reader.read()).catch((cause) => {
                throw this.#patience.why() ?? this.#lost("The answer broke off.", cause);
            });
            if (piece.done)
                return;
            for (const event of events.read(decoder.decode(piece.value, { stream: true }))) {
                if ("data" in event)
                    yield event.data;
                else
                    this.#heard?.(event.comment);
            }
        }
    }
    #chunk(data) {
        let frame;
        try {
            frame = JSON.parse(data);
        }
        catch (cause) {
            throw this.#strange(cause);
        }
        const { requestId } = this.receipt;
        const error = fromEnvelope(frame, { status: null, requestId });
        if (error !== null)
            throw error;
        if (!Array.isArray(record(frame)?.["choices"]))
            throw this.#strange();
        return frame;
    }
    #note(freeTier) {
        this.freeTier = freeTier;
        this.receipt = {
            ...this.receipt,
            model: freeTier.model ?? this.receipt.model,
            attempts: freeTier.attempts ?? this.receipt.attempts,
        };
    }
    #lost(message, cause) {
        const { requestId } = this.receipt;
        return new FreeApiError(message, { code: "connection_lost", legacyCode: "COMPLETION_FAILED", retryable: true, requestId }, { cause });
    }
    #strange(cause) {
        const { requestId } = this.receipt;
        const message = "The stream has a frame that Scalix Free does not send.";
        return new FreeApiError(message, { code: "invalid_response", requestId }, { cause });
    }
}
