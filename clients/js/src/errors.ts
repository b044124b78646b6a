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
export class FreeApiError extends Error {
  override readonly name = "FreeApiError";
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

  constructor(message: string, told: Told, options?: { cause?: unknown }) {
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

/** What is known of an error; what is not known is left out. */
export type Told = { readonly code: string } & Partial<
  Omit<FreeApiError, "code" | "name" | "message" | "stack" | "cause">
>;

/** The error in an envelope, from a body or a frame; null where it is none. */
export function fromEnvelope(
  body: unknown,
  where: { status: number | null; requestId: string | null },
): FreeApiError | null {
  const error = record(record(body)?.["error"]);
  if (error === null) return null;
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
    freeTier: record(record(body)?.["free_tier"]) as FreeTier | null,
    challenge: record(error["challenge"]) as Challenge | null,
  });
}

/** The answer of somebody who does not speak this API, such as a proxy in between. */
export function fromStranger(status: number, requestId: string | null): FreeApiError {
  return new FreeApiError(`The server answered ${status}, and not as Scalix Free does.`, {
    code: "invalid_response",
    status,
    requestId,
    retryable: [429, 502, 503, 504].includes(status),
  });
}

export function record(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
