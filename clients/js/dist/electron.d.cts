/**
 * Scalix Free in an Electron app: the main process asks, the window is told. It knows Electron by
 * shape alone and imports nothing, so that a preload script may be bundled into one file.
 *
 * A window never sees the key, an address or a header: it names messages and OpenAI's options, and
 * what comes from it is checked here before it is used.
 */
import type { ScalixFree } from "./index.js" with { "resolution-mode": "import" };
import type { Completion, CompletionRequest, Receipt, Window } from "./shapes.js" with { "resolution-mode": "import" };
export declare const COMPLETION = "free-api:completion";
export declare const CHECK_LIMITS = "free-api:check-limits";
/** What the main process is asked with. `userId` and `sessionId` are labels; see docs/api.md. */
export interface CompletionParams {
    messages: CompletionRequest["messages"];
    userId?: string;
    sessionId?: string;
    /** Of `OPTIONS`; whatever else stands in it is left behind. */
    options?: Partial<CompletionRequest>;
}
export interface LimitReached {
    error: "RATE_LIMIT_EXCEEDED";
    message: string;
    /** ISO 8601; null where waiting does not help. */
    resetTime: string | null;
    /** False where the limit is one of calls at the same time, which is over in seconds. */
    upgradePrompt: boolean;
    retryable: boolean;
    retryAfterSeconds: number | null;
    code: string;
    upgradeUrl: string | null;
}
export interface Failed {
    error: "COMPLETION_FAILED";
    message: string;
    retryable: boolean;
    code: string;
}
/** `upgradePrompt` is there, and true, where little is left. */
export type CompletionResult = (Completion & {
    receipt: Receipt;
    upgradePrompt?: true;
    error?: undefined;
}) | LimitReached | Failed;
/** `remainingRequests` is null where requests are not limited. */
export interface CheckedLimits {
    allowed: boolean;
    remainingRequests: number | null;
    resetTime: string | null;
    nearLimit: boolean;
    requestsToday: number;
    tokensUsed: number;
    tier: string;
    windows: Window[];
}
export type CheckLimitsResult = (CheckedLimits & {
    error?: undefined;
}) | LimitReached | Failed;
export interface FreeUsage {
    requestsToday: number;
    tokensUsed: number;
    resetTime: string | null;
    remainingRequests: number | null;
    nearLimit: boolean;
}
/** What of Electron is used here. */
export interface IpcMain {
    handle(channel: string, listener: (event: IpcEvent, ...args: unknown[]) => unknown): void;
    removeHandler(channel: string): void;
}
export interface IpcEvent {
    readonly sender?: {
        once?(event: "destroyed", listener: () => void): unknown;
        removeListener?(event: "destroyed", listener: () => void): unknown;
    };
    readonly senderFrame?: {
        readonly url?: string;
    } | null;
}
export interface IpcRenderer {
    invoke(channel: string, ...args: unknown[]): Promise<unknown>;
}
export interface ContextBridge {
    exposeInMainWorld(key: string, api: object): void;
}
export interface HandlerOptions {
    /** Whether who calls may; left out, every frame of the app may. See the README. */
    accepts?: (event: IpcEvent) => boolean;
}
/** Fields of a request that a window may set. */
export declare const OPTIONS: readonly ["model", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "seed", "tools", "tool_choice", "parallel_tool_calls", "response_format", "presence_penalty", "frequency_penalty", "reasoning_effort"];
/** Answer both channels with this client. Gives back what takes them away again. */
export declare function registerFreeApiHandlers(ipcMain: IpcMain, client: Pick<ScalixFree, "complete" | "limits">, options?: HandlerOptions): () => void;
export interface FreeApi {
    /** What was used and what is left; `userId` is a label. Throws where it cannot be told. */
    getFreeUsage(userId?: string): Promise<FreeUsage>;
    /** A whole answer, or why there is none; it throws only if the main process is gone. */
    freeCompletion(params: CompletionParams): Promise<CompletionResult>;
    checkFreeLimits(userId?: string): Promise<CheckLimitsResult>;
}
/** What a window gets, for an app that exposes an API of its own: spread it into that. */
export declare function freeApi(ipcRenderer: IpcRenderer): FreeApi;
/** `window.electronAPI` with `freeApi` in it. Without `ipcRenderer` Electron's own is taken. */
export declare function exposeFreeApi(contextBridge: ContextBridge, ipcRenderer?: IpcRenderer): void;
