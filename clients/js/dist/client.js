import { FreeApiError, fromEnvelope, fromStranger } from "./errors.js";
import { Patience } from "./patience.js";
import { solve } from "./proof.js";
import { sleep, waitBeforeRetry } from "./retry.js";
import { CompletionStream } from "./stream.js";
/** A client of one service. It keeps nothing but the key it was given. */
export class ScalixFree {
    #base;
    #headers;
    #fetch;
    #retries;
    #timeoutMs;
    #idleTimeoutMs;
    #key;
    constructor(options) {
        this.#base = options.baseUrl.replace(/\/+$/, "").replace(/\/v1$/, "");
        this.#headers = options.headers ?? {};
        this.#fetch = options.fetch ?? ((...asked) => fetch(...asked));
        this.#retries = {
            most: options.maxRetries ?? 2,
            longestWaitMs: options.maxWaitMs ?? 10_000,
        };
        this.#timeoutMs = options.timeoutMs ?? 120_000;
        this.#idleTimeoutMs = options.idleTimeoutMs ?? 30_000;
        this.#key = options.apiKey;
    }
    /** A whole answer. `FreeApiError` if there is none. */
    async complete(request, options = {}) {
        const patience = new Patience(this.#timeoutMs, options.signal);
        const call = completion({ ...request, stream: false }, options);
        try {
            const response = await this.#ask(call, patience);
            const receipt = receiptOf(response.headers);
            return { ...(await json(response, patience)), receipt };
        }
        finally {
            patience.end();
        }
    }
    /**
     * An answer as it comes. It resolves when the first of it is certain; a refusal or a failure
     * before that is thrown here, one after that by the loop over it.
     */
    async stream(request, options = {}) {
        const patience = new Patience(this.#idleTimeoutMs, options.signal);
        const call = completion({ ...request, stream: true }, options);
        try {
            const response = await this.#ask(call, patience);
            const receipt = receiptOf(response.headers);
            const kind = response.headers.get("content-type") ?? "";
            if (response.body === null || !kind.startsWith("text/event-stream")) {
                patience.abort();
                throw fromStranger(response.status, receipt.requestId);
            }
            return new CompletionStream(response.body, receipt, patience, options.onComment);
        }
        catch (error) {
            patience.end();
            throw error;
        }
    }
    /** What is left of all limits. Costs nothing. */
    limits(options = {}) {
        return this.#read("/api/v1/free/limits", options.signal);
    }
    /** What was used, by day, and the last requests. */
    usage(options = {}) {
        return this.#read(`/api/v1/free/usage?days=${options.days ?? 14}`, options.signal);
    }
    /** Rate an answer, once; `requestId` is the `id` of the answer or its receipt's `requestId`. */
    feedback(rated, options = {}) {
        const { requestId, rating, comment } = rated;
        const body = { request_id: requestId, rating, ...(comment === undefined ? {} : { comment }) };
        const path = "/api/v1/free/feedback";
        return this.#do({ method: "POST", path, body, repeatable: true }, options.signal);
    }
    /**
     * Begin an anonymous session, with a proof of work where one is due, and go on as it. Keep its
     * `token` and give it as `apiKey` next time: sessions of an address are counted.
     */
    async session(options = {}) {
        const { signal, maxProofMs = 30_000 } = options;
        const begin = (body) => this.#do({ method: "POST", path: "/api/v1/free/session", body, repeatable: false }, signal);
        let session;
        try {
            session = await begin({});
        }
        catch (error) {
            if (!(error instanceof FreeApiError) || error.challenge === null || maxProofMs === 0) {
                throw error;
            }
            session = await begin({ altcha: await solve(error.challenge, maxProofMs, signal) });
        }
        this.#key = session.token;
        return session;
    }
    #read(path, signal) {
        return this.#do({ method: "GET", path, repeatable: true }, signal);
    }
    async #do(call, signal) {
        const patience = new Patience(this.#idleTimeoutMs, signal);
        try {
            return await json(await this.#ask(call, patience), patience);
        }
        finally {
            patience.end();
        }
    }
    /** The first response that is a success, after as many tries as make sense. */
    async #ask(call, patience) {
        for (let attempt = 0;; attempt++) {
            let response = null;
            let error;
            try {
                response = await patience.bound(this.#send(call, patience.signal));
                if (response.ok)
                    return response;
                error = await refusal(response, patience);
            }
            catch (cause) {
                if (patience.signal.aborted)
                    throw patience.why();
                error = notReached(cause);
                if (!call.repeatable)
                    throw error;
            }
            const wait = waitBeforeRetry(attempt, response, this.#retries);
            if (wait === null)
                throw error;
            await sleep(wait, patience.signal);
        }
    }
    #send(call, signal) {
        const headers = { ...this.#headers, ...call.headers };
        if (this.#key)
            headers["authorization"] = `Bearer ${this.#key}`;
        if (call.body !== undefined)
            headers["content-type"] = "application/json";
        return this.#fetch(this.#base + call.path, {
            method: call.method,
            headers,
            signal,
            ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        });
    }
}
/** All tries of a call are one turn, so that one that arrived unseen is not charged twice. */
function completion(body, options) {
    const turn = options.turn ?? `js-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    const headers = { "idempotency-key": turn };
    return { method: "POST", path: "/api/v1/free/completion", body, headers, repeatable: true };
}
async function refusal(response, patience) {
    const requestId = response.headers.get("x-request-id");
    const body = await patience.bound(response.text());
    try {
        const error = fromEnvelope(JSON.parse(body), { status: response.status, requestId });
        if (error !== null)
            return error;
    }
    catch {
        // no JSON: a proxy's page
    }
    return fromStranger(response.status, requestId);
}
async function json(response, patience) {
    const requestId = response.headers.get("x-request-id");
    let body;
    try {
        body = await patience.bound(response.text());
    }
    catch (cause) {
        if (patience.signal.aborted)
            throw patience.why();
        throw new FreeApiError("The answer broke off.", { code: "connection_lost", legacyCode: "COMPLETION_FAILED", retryable: true, requestId }, { cause });
    }
    try {
        return JSON.parse(body);
    }
    catch {
        throw fromStranger(response.status, requestId);
    }
}
function notReached(cause) {
    return new FreeApiError("Scalix Free could not be reached.", { code: "connection_failed", legacyCode: "COMPLETION_FAILED", retryable: true }, { cause });
}
function receiptOf(headers) {
    const attempts = headers.get("x-scalix-attempts");
    return {
        requestId: headers.get("x-request-id"),
        model: headers.get("x-scalix-model"),
        attempts: attempts === null ? null : Number(attempts),
        cache: headers.get("x-scalix-cache"),
        modelRequested: headers.get("x-scalix-model-requested"),
    };
}
