/**
 * How long a call may take, and who may end it: the caller's signal, `abort`, or the clock. All
 * three abort `signal`, and so the request.
 */
export declare class Patience {
    #private;
    constructor(limitMs: number, outer: AbortSignal | undefined);
    get signal(): AbortSignal;
    abort(reason?: unknown): void;
    /** Nothing is waited for any more: let go of the clock and of the caller's signal. */
    end(): void;
    /** Wait for something no longer than may be; each wait has the whole time. */
    bound<T>(waited: Promise<T>): Promise<T>;
    /** Why it was aborted; null if it was not. */
    why(): unknown;
}
