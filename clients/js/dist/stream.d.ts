import type { Patience } from "./patience.js";
import type { Chunk, FreeTier, Receipt } from "./shapes.js";
/**
 * An answer as it comes: iterate over it once. The loop ends by itself only if the answer was
 * whole; if it broke off, whoever cut it, the loop throws. Leaving the loop hangs up.
 */
export declare class CompletionStream implements AsyncIterable<Chunk> {
    #private;
    /** Who answers. */
    receipt: Receipt;
    /** What is left after this answer; null until it is whole. */
    freeTier: FreeTier | null;
    constructor(body: ReadableStream<Uint8Array>, receipt: Receipt, patience: Patience, heard?: (comment: string) => void);
    /** Hang up. The loop throws an `AbortError`. */
    abort(): void;
    /** Read all of it; the text of the answer. */
    text(): Promise<string>;
    [Symbol.asyncIterator](): AsyncGenerator<Chunk, void, undefined>;
}
