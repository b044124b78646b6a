import type { Challenge } from "./shapes.js";
/**
 * Solve an ALTCHA v2 challenge: the payload that pays for it.
 *
 * Takes about half a second at the base price; the price doubles for addresses that begin many
 * sessions. `proof_failed` where it takes longer than `longestMs`, or where it cannot be done here.
 */
export declare function solve(challenge: Challenge, longestMs: number, signal?: AbortSignal): Promise<string>;
