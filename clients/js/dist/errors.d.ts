import type { Challenge, FreeTier } from "./shapes.js";
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
export declare class FreeApiError extends Error {
    readonly name = "FreeApiError";
    readonly code: string;
    /** Null where there was none, as in a stream that broke. */
    readonly status: number | null;
    readonly type: string | null;
    readonly param: string | null;
    /** `RATE_LIMIT_EXCEEDED` or `COMPLETION_FAILED`. */
    readonly legacyCode: string | null;
    /** Whether the same call can succeed within a minute. */
    readonly retryable: boolean;
    readonly retryAfterSeconds: number | null;
    readonly resetAt: string | null;
    /** The limit that was reached. */
    readonly window: string | null;
    readonly upgradeUrl: string | null;
    readonly requestId: string | null;
    readonly freeTier: FreeTier | null;
    /** Of `challenge_required`. */
    readonly challenge: Challenge | null;
    constructor(message: string, told: Told, options?: {
        cause?: unknown;
    });
}
/** What is known of an error; what is not known is left out. */
export type Told = {
    readonly code: string;
} & Partial<Omit<FreeApiError, "code" | "name" | "message" | "stack" | "cause">>;
/** The error in an envelope, from a body or a frame; null where it is none. */
export declare function fromEnvelope(body: unknown, where: {
    status: number | null;
    requestId: string | null;
}): FreeApiError | null;
/** The answer of somebody who does not speak this API, such as a proxy in between. */
export declare function fromStranger(status: number, requestId: string | null): FreeApiError;
export declare function record(value: unknown): Record<string, unknown> | null;
