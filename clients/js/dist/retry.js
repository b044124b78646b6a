/** The statuses after which the same call may succeed. */
const RETRIED = new Set([429, 502, 503, 504]);
const FIRST_WAIT_MS = 500;
/**
 * How long to wait, in milliseconds, before a call is made again; null where it is not.
 *
 * `attempt` counts from 0. `answer` is null where none came. What the server says goes before
 * everything: `x-should-retry: false` ends it, and its wait is kept to, or not begun if it is too
 * long. It is never cut short, since a call that comes too early is refused again.
 */
export function waitBeforeRetry(attempt, answer, retries, nowMs = Date.now()) {
    if (attempt >= retries.most)
        return null;
    let told = null;
    if (answer !== null) {
        if (!RETRIED.has(answer.status))
            return null;
        if (answer.headers.get("x-should-retry") === "false")
            return null;
        told = toldWait(answer.headers, nowMs);
    }
    const wait = told ?? FIRST_WAIT_MS * 2 ** attempt;
    return wait <= retries.longestWaitMs ? wait : null;
}
/** `retry-after-ms`, or `Retry-After` as seconds or as a date; null where it says nothing. */
function toldWait(headers, nowMs) {
    const exact = headers.get("retry-after-ms");
    if (exact !== null && /^\d+(\.\d+)?$/.test(exact))
        return Number(exact);
    const told = headers.get("retry-after");
    if (told === null)
        return null;
    if (/^\d+(\.\d+)?$/.test(told))
        return Number(told) * 1000;
    const at = /^[A-Z]/.test(told) ? Date.parse(told) : NaN; // else a bare number may be a year
    return Number.isNaN(at) ? null : Math.max(0, at - nowMs);
}
/** Wait, unless the signal says not to; then its reason is thrown. */
export function sleep(ms, signal) {
    return new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const stop = () => {
            clearTimeout(timer);
            reject(signal.reason);
        };
        const timer = setTimeout(() => {
            signal.removeEventListener("abort", stop);
            resolve();
        }, ms);
        signal.addEventListener("abort", stop, { once: true });
    });
}
