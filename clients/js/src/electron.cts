/**
 * Scalix Free in an Electron app: the main process asks, the window is told. It knows Electron by
 * shape alone and imports nothing, so that a preload script may be bundled into one file.
 *
 * A window never sees the key, an address or a header: it names messages and OpenAI's options, and
 * what comes from it is checked here before it is used.
 */
import type { FreeApiError, ScalixFree } from "./index.js" with { "resolution-mode": "import" };
import type {
  Completion,
  CompletionRequest,
  Limits,
  Receipt,
  Window,
} from "./shapes.js" with { "resolution-mode": "import" };

export const COMPLETION = "free-api:completion";
export const CHECK_LIMITS = "free-api:check-limits";

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
export type CompletionResult =
  | (Completion & { receipt: Receipt; upgradePrompt?: true; error?: undefined })
  | LimitReached
  | Failed;

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

export type CheckLimitsResult = (CheckedLimits & { error?: undefined }) | LimitReached | Failed;

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
  readonly senderFrame?: { readonly url?: string } | null;
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
export const OPTIONS = [
  "model",
  "max_tokens",
  "max_completion_tokens",
  "temperature",
  "top_p",
  "stop",
  "seed",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "response_format",
  "presence_penalty",
  "frequency_penalty",
  "reasoning_effort",
] as const;

const MOST_LABEL_CHARS = 256;
const NO_TEXT = "Failed to generate response";

// ── In the main process ─────────────────────────────────────────────────────────────────────────

/** Answer both channels with this client. Gives back what takes them away again. */
export function registerFreeApiHandlers(
  ipcMain: IpcMain,
  client: Pick<ScalixFree, "complete" | "limits">,
  options: HandlerOptions = {},
): () => void {
  const accepts = options.accepts ?? (() => true);

  async function answered<T>(
    event: IpcEvent,
    answer: (signal: AbortSignal) => Promise<T>,
  ): Promise<T | LimitReached | Failed> {
    // A window that is gone wants no answer: its provider is told to stop.
    const left = new AbortController();
    const leave = () => left.abort();
    try {
      if (!accepts(event)) throw new Unfit("This window may not ask.");
      event.sender?.once?.("destroyed", leave);
      return await answer(left.signal);
    } catch (error) {
      return failure(error);
    } finally {
      event.sender?.removeListener?.("destroyed", leave);
    }
  }

  ipcMain.handle(COMPLETION, (event, params) =>
    answered(event, async (signal): Promise<CompletionResult> => {
      const completion = await client.complete(requestOf(params), { signal });
      return completion.free_tier.upgrade_prompt
        ? { ...completion, upgradePrompt: true }
        : completion;
    }),
  );
  ipcMain.handle(CHECK_LIMITS, (event, params) =>
    answered(event, async (signal): Promise<CheckLimitsResult> => {
      label(plain(params ?? {}, "the parameters")["userId"], "userId");
      return checked(await client.limits({ signal }));
    }),
  );
  return () => {
    ipcMain.removeHandler(COMPLETION);
    ipcMain.removeHandler(CHECK_LIMITS);
  };
}

/** What a window asked, as a request; `Unfit` where it is none. Nothing else of it is taken. */
function requestOf(params: unknown): CompletionRequest {
  const { messages, userId, sessionId, options } = plain(params, "the parameters");
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new Unfit("messages has to be a list of at least one message.");
  }
  for (const message of messages as unknown[]) {
    if (typeof plain(message, "each of messages")["role"] !== "string") {
      throw new Unfit("each of messages needs a role.");
    }
  }
  const request: CompletionRequest = { messages: copied(messages, "messages") };
  const fields: Record<string, unknown> = request;
  const wanted = options == null ? {} : plain(options, "options");
  for (const name of OPTIONS) {
    if (wanted[name] !== undefined) fields[name] = copied(wanted[name], `options.${name}`);
  }
  const user = label(userId, "userId");
  const session = label(sessionId, "sessionId");
  if (user !== undefined) request.user_id = user;
  if (session !== undefined) request.session_id = session;
  return request;
}

function checked(limits: Limits): CheckedLimits {
  const used = (name: string) => limits.windows.find((window) => window.name === name)?.used ?? 0;
  return {
    allowed: limits.windows.every((window) => window.remaining === null || window.remaining > 0),
    remainingRequests: limits.remaining_requests,
    resetTime: limits.reset_time,
    nearLimit: limits.near_limit,
    requestsToday: used("requests_day"),
    tokensUsed: used("tokens_day"),
    tier: limits.tier,
    windows: limits.windows,
  };
}

function failure(error: unknown): LimitReached | Failed {
  if (error instanceof Unfit) {
    const { message } = error;
    return { error: "COMPLETION_FAILED", message, retryable: false, code: "invalid_request" };
  }
  if (!isFreeApiError(error)) {
    console.error("Scalix Free:", error);
    return { error: "COMPLETION_FAILED", message: NO_TEXT, retryable: false, code: "unknown" };
  }
  const { code, retryable } = error;
  const message = error.message || NO_TEXT;
  if (error.legacyCode !== "RATE_LIMIT_EXCEEDED") {
    return { error: "COMPLETION_FAILED", message, retryable, code };
  }
  return {
    error: "RATE_LIMIT_EXCEEDED",
    message,
    resetTime: error.resetAt,
    upgradePrompt: code !== "free_tier_concurrency",
    retryable,
    retryAfterSeconds: error.retryAfterSeconds,
    code,
    upgradeUrl: error.upgradeUrl,
  };
}

/** By name: the class may have been loaded twice. */
function isFreeApiError(error: unknown): error is FreeApiError {
  return error instanceof Error && error.name === "FreeApiError";
}

/** Not what it has to be. */
class Unfit extends Error {}

function plain(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Unfit(`${what} has to be an object.`);
  }
  return value as Record<string, unknown>;
}

function label(value: unknown, what: string): string | undefined {
  if (value == null) return undefined;
  if (typeof value !== "string" || value.length > MOST_LABEL_CHARS) {
    throw new Unfit(`${what} has to be a text of at most ${MOST_LABEL_CHARS} characters.`);
  }
  return value;
}

/** The same as JSON has it; a window may send more than JSON knows. */
function copied<T>(value: T, what: string): T {
  try {
    return JSON.parse(JSON.stringify(value)) as T;
  } catch {
    throw new Unfit(`${what} cannot be written as JSON.`);
  }
}

// ── In the preload script ───────────────────────────────────────────────────────────────────────

export interface FreeApi {
  /** What was used and what is left; `userId` is a label. Throws where it cannot be told. */
  getFreeUsage(userId?: string): Promise<FreeUsage>;
  /** A whole answer, or why there is none; it throws only if the main process is gone. */
  freeCompletion(params: CompletionParams): Promise<CompletionResult>;
  checkFreeLimits(userId?: string): Promise<CheckLimitsResult>;
}

/** What a window gets, for an app that exposes an API of its own: spread it into that. */
export function freeApi(ipcRenderer: IpcRenderer): FreeApi {
  const checkFreeLimits = (userId?: string) =>
    ipcRenderer.invoke(CHECK_LIMITS, { userId }) as Promise<CheckLimitsResult>;
  return {
    checkFreeLimits,
    freeCompletion: (params) =>
      ipcRenderer.invoke(COMPLETION, params) as Promise<CompletionResult>,
    getFreeUsage: async (userId) => {
      const limits = await checkFreeLimits(userId);
      if (limits.error !== undefined) throw new Error(limits.message);
      const { requestsToday, tokensUsed, resetTime, remainingRequests, nearLimit } = limits;
      return { requestsToday, tokensUsed, resetTime, remainingRequests, nearLimit };
    },
  };
}

/** `window.electronAPI` with `freeApi` in it. Without `ipcRenderer` Electron's own is taken. */
export function exposeFreeApi(contextBridge: ContextBridge, ipcRenderer?: IpcRenderer): void {
  contextBridge.exposeInMainWorld("electronAPI", freeApi(ipcRenderer ?? ownIpcRenderer()));
}

function ownIpcRenderer(): IpcRenderer {
  if (typeof require !== "function") {
    throw new TypeError("exposeFreeApi: give ipcRenderer as the second argument here.");
  }
  return (require("electron") as { ipcRenderer: IpcRenderer }).ipcRenderer;
}
