/**
 * Anything but a whole answer. Refusals and failures of the service have its own codes
 * (`docs/api.md`, "Errors"); what it could not say itself has one of these:
 *
 * - `connection_failed`: no answer came.
 * - `connection_lost`: an answer broke off.
 * - `timeout`: nothing came for too long.
 * - `invalid_response`: what came is not of this API.
 * - `proof_failed`: this client could not solve, or would not, what a session costs.
 */
export class FreeApiError extends Error {
    name = "FreeApiError";
    code;
    /** Null where there was none, as in a stream that broke. */
    status;
    type;
    param;
    /** `RATE_LIMIT_EXCEEDED` or `COMPLETION_FAILED`. */
    legacyCode;
    /** Whether the same call can succeed within a minute. */
    retryable;
    retryAfterSeconds;
    resetAt;
    /** The limit that was reached. */
    window;
    upgradeUrl;
    requestId;
    freeTier;
    /** Of `challenge_required`. */
    challenge;
    constructor(message, told, options) {
        super(message, options);
        this.code = told.code;
        this.status = told.status ?? null;
        this.type = told.type ?? null;
        this.param = told.param ?? null;
        this.legacyCode = told.legacyCode ?? null;
        this.retryable = told.retryable ?? false;
        this.retryAfterSeconds = told.retryAfterSeconds ?? null;
        this.resetAt = told.resetAt ?? null;
        this.window = told.window ?? null;
        this.upgradeUrl = told.upgradeUrl ?? null;
        this.requestId = told.requestId ?? null;
        this.freeTier = told.freeTier ?? null;
        this.challenge = told.challenge ?? null;
    }
}
/** The error in an envelope, from a body or a frame; null where it is none. */
export function fromEnvelope(body, where) {
    const error = record(record(body)?.["error"]);
    if (error === null)
        return null;
    return new FreeApiError(text(error["message"]) ?? "Failed to generate response", {
        code: text(error["code"]) ?? "unknown",
        status: where.status,
        type: text(error["type"]),
        param: text(error["param"]),
        legacyCode: text(error["legacy_code"]),
        retryable: error["retryable"] === true,
        retryAfterSeconds: number(error["retry_after_seconds"]),
        resetAt: text(error["reset_at"]),
        window: text(error["window"]),
        upgradeUrl: text(error["upgrade_url"]),
        requestId: text(error["request_id"]) ?? where.requestId,
        freeTier: record(record(body)?.["free_tier"]),
        challenge: record(error["challenge"]),
    });
}
/** The answer of somebody who does not speak this API, such as a proxy in between. */
export function fromStranger(status, requestId) {
    return new FreeApiError(`The server answered ${status}, and not as Scalix Free does.`, {
        code: "invalid_response",
        status,
        requestId,
        retryable: [429, 502, 503, 504].includes(status),
    });
}
export function record(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value)
        ? value
        : null;
}
function text(value) {
    return typeof value === "string" ? value : null;
}
function number(value) {
    return typeof value === "number" ? value : null;
}
