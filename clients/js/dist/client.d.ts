import { CompletionStream } from "./stream.js";
import type { Completion, CompletionRequest, Limits, Rating, Receipt, Session, Usage } from "./shapes.js";
export interface ClientOptions {
    /** Where the service is, such as `http://127.0.0.1:3001`; a `/v1` at its end is left away. */
    baseUrl: string;
    /** A session's token or an account's key. None is needed. */
    apiKey?: string;
    /** Sent with every call. */
    headers?: Readonly<Record<string, string>>;
    fetch?: typeof fetch;
    /** How often a call is made again where that can help; 2. */
    maxRetries?: number;
    /** A longer wait than this is not slept through: the error tells it, in milliseconds; 10,000. */
    maxWaitMs?: number;
    /** How long an answer may take that is not streamed, in milliseconds; 120,000. */
    timeoutMs?: number;
    /** How long a stream may be silent, heartbeats included, in milliseconds; 30,000. */
    idleTimeoutMs?: number;
}
export interface CallOptions {
    /** Hangs up when it is aborted, also between two tries; its reason is thrown. */
    signal?: AbortSignal;
    /**
     * The same for all calls of one user's turn: a session or an account is charged one request for
     * at most four of them within ten minutes. Left out, each call is a turn, tries included.
     */
    turn?: string;
}
export interface StreamOptions extends CallOptions {
    /** Hears what the service says while it waits for a model, such as `queued 3, about 5 s`. */
    onComment?: (comment: string) => void;
}
export interface SessionOptions {
    signal?: AbortSignal;
    /** How long a proof of work may take, in milliseconds; 30,000. 0: none is given. */
    maxProofMs?: number;
}
/** A client of one service. It keeps nothing but the key it was given. */
export declare class ScalixFree {
    #private;
    constructor(options: ClientOptions);
    /** A whole answer. `FreeApiError` if there is none. */
    complete(request: CompletionRequest, options?: CallOptions): Promise<Completion & {
        receipt: Receipt;
    }>;
    /**
     * An answer as it comes. It resolves when the first of it is certain; a refusal or a failure
     * before that is thrown here, one after that by the loop over it.
     */
    stream(request: CompletionRequest, options?: StreamOptions): Promise<CompletionStream>;
    /** What is left of all limits. Costs nothing. */
    limits(options?: {
        signal?: AbortSignal;
    }): Promise<Limits>;
    /** What was used, by day, and the last requests. */
    usage(options?: {
        days?: number;
        signal?: AbortSignal;
    }): Promise<Usage>;
    /** Rate an answer, once; `requestId` is the `id` of the answer or its receipt's `requestId`. */
    feedback(rated: {
        requestId: string;
        rating: -1 | 1;
        comment?: string;
    }, options?: {
        signal?: AbortSignal;
    }): Promise<Rating>;
    /**
     * Begin an anonymous session, with a proof of work where one is due, and go on as it. Keep its
     * `token` and give it as `apiKey` next time: sessions of an address are counted.
     */
    session(options?: SessionOptions): Promise<Session>;
}
