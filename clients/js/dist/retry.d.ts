export interface Retries {
    /** How often a call is made again. */
    readonly most: number;
    /** Longer waits are left to the person. */
    readonly longestWaitMs: number;
}
/**
 * How long to wait, in milliseconds, before a call is made again; null where it is not.
 *
 * `attempt` counts from 0. `answer` is null where none came. What the server says goes before
 * everything: `x-should-retry: false` ends it, and its wait is kept to, or not begun if it is too
 * long. It is never cut short, since a call that comes too early is refused again.
 */
export declare function waitBeforeRetry(attempt: number, answer: {
    readonly status: number;
    readonly headers: Headers;
} | null, retries: Retries, nowMs?: number): number | null;
/** Wait, unless the signal says not to; then its reason is thrown. */
export declare function sleep(ms: number, signal: AbortSignal): Promise<void>;
