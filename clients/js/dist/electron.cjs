"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.OPTIONS = exports.CHECK_LIMITS = exports.COMPLETION = void 0;
exports.registerFreeApiHandlers = registerFreeApiHandlers;
exports.freeApi = freeApi;
exports.exposeFreeApi = exposeFreeApi;
exports.COMPLETION = "free-api:completion";
exports.CHECK_LIMITS = "free-api:check-limits";
/** Fields of a request that a window may set. */
exports.OPTIONS = [
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
];
const MOST_LABEL_CHARS = 256;
const NO_TEXT = "Failed to generate response";
// ── In the main process ─────────────────────────────────────────────────────────────────────────
/** Answer both channels with this client. Gives back what takes them away again. */
function registerFreeApiHandlers(ipcMain, client, options = {}) {
    const accepts = options.accepts ?? (() => true);
    async function answered(event, answer) {
        // A window that is gone wants no answer: its provider is told to stop.
        const left = new AbortController();
        const leave = () => left.abort();
        try {
            if (!accepts(event))
                throw new Unfit("This window may not ask.");
            event.sender?.once?.("destroyed", leave);
            return await answer(left.signal);
        }
        catch (error) {
            return failure(error);
        }
        finally {
            event.sender?.removeListener?.("destroyed", leave);
        }
    }
    ipcMain.handle(exports.COMPLETION, (event, params) => answered(event, async (signal) => {
        const completion = await client.complete(requestOf(params), { signal });
        return completion.free_tier.upgrade_prompt
            ? { ...completion, upgradePrompt: true }
            : completion;
    }));
    ipcMain.handle(exports.CHECK_LIMITS, (event, params) => answered(event, async (signal) => {
        label(plain(params ?? {}, "the parameters")["userId"], "userId");
        return checked(await client.limits({ signal }));
    }));
    return () => {
        ipcMain.removeHandler(exports.COMPLETION);
        ipcMain.removeHandler(exports.CHECK_LIMITS);
    };
}
/** What a window asked, as a request; `Unfit` where it is none. Nothing else of it is taken. */
function requestOf(params) {
    const { messages, userId, sessionId, options } = plain(params, "the parameters");
    if (!Array.isArray(messages) || messages.length === 0) {
        throw new Unfit("messages has to be a list of at least one message.");
    }
    for (const message of messages) {
        if (typeof plain(message, "each of messages")["role"] !== "string") {
            throw new Unfit("each of messages needs a role.");
        }
    }
    const request = { messages: copied(messages, "messages") };
    const fields = request;
    const wanted = options == null ? {} : plain(options, "options");
    for (const name of exports.OPTIONS) {
        if (wanted[name] !== undefined)
            fields[name] = copied(wanted[name], `options.${name}`);
    }
    const user = label(userId, "userId");
    const session = label(sessionId, "sessionId");
    if (user !== undefined)
        request.user_id = user;
    if (session !== undefined)
        request.session_id = session;
    return request;
}
function checked(limits) {
    const used = (name) => limits.windows.find((window) => window.name === name)?.used ?? 0;
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
function failure(error) {
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
function isFreeApiError(error) {
    return error instanceof Error && error.name === "FreeApiError";
}
/** Not what it has to be. */
class Unfit extends Error {
}
function plain(value, what) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
        throw new Unfit(`${what} has to be an object.`);
    }
    return value;
}
function label(value, what) {
    if (value == null)
        return undefined;
    if (typeof value !== "string" || value.length > MOST_LABEL_CHARS) {
        throw new Unfit(`${what} has to be a text of at most ${MOST_LABEL_CHARS} characters.`);
    }
    return value;
}
/** The same as JSON has it; a window may send more than JSON knows. */
function copied(value, what) {
    try {
        return JSON.parse(JSON.stringify(value));
    }
    catch {
        throw new Unfit(`${what} cannot be written as JSON.`);
    }
}
/** What a window gets, for an app that exposes an API of its own: spread it into that. */
function freeApi(ipcRenderer) {
    const checkFreeLimits = (userId) => ipcRenderer.invoke(exports.CHECK_LIMITS, { userId });
    return {
        checkFreeLimits,
        freeCompletion: (params) => ipcRenderer.invoke(exports.COMPLETION, params),
        getFreeUsage: async (userId) => {
            const limits = await checkFreeLimits(userId);
            if (limits.error !== undefined)
                throw new Error(limits.message);
            const { requestsToday, tokensUsed, resetTime, remainingRequests, nearLimit } = limits;
            return { requestsToday, tokensUsed, resetTime, remainingRequests, nearLimit };
        },
    };
}
/** `window.electronAPI` with `freeApi` in it. Without `ipcRenderer` Electron's own is taken. */
function exposeFreeApi(contextBridge, ipcRenderer) {
    contextBridge.exposeInMainWorld("electronAPI", freeApi(ipcRenderer ?? ownIpcRenderer()));
}
function ownIpcRenderer() {
    if (typeof require !== "function") {
        throw new TypeError("exposeFreeApi: give ipcRenderer as the second argument here.");
    }
    return require("electron").ipcRenderer;
}
