/**
 * The banner and the dashboard of Scalix Free for React 18 and 19.
 *
 * Each wraps a web element (see docs/elements.md of the project), which the page loads by itself.
 * What React renders inside the tag is what people see until then, and all that a server sends.
 */
import { createElement, useCallback, useEffect, useState } from "react";
/** Says what is left, and leads to Pro where that is little. */
export function FreeTierBanner({ usage, onUpgrade }) {
    const ref = useElement(usage ?? null, onUpgrade);
    return createElement("scalix-banner", { ref }, usage ? banner(usage, onUpgrade) : null);
}
/** Shows what was used, asked of the host with `window.electronAPI.getFreeUsage(userId)`. */
export function FreeUsageDashboard({ userId, onUpgrade }) {
    const usage = useFreeUsage(userId);
    const ref = useElement(usage, onUpgrade);
    return createElement("scalix-usage", { ref }, dashboard(usage, onUpgrade));
}
/** The usage of somebody, asked again when the chat was answered or the window is looked at again. */
export function useFreeUsage(userId) {
    const [usage, setUsage] = useState(null);
    useEffect(() => {
        let looks = 0;
        let newest = 0; // what an earlier look finds later does not count
        const look = () => {
            if (document.visibilityState === "hidden")
                return;
            const number = ++looks;
            void ask(userId).then((found) => {
                if (number < newest)
                    return;
                newest = number;
                setUsage(found);
            }, () => undefined);
        };
        setUsage(null);
        look();
        document.addEventListener("scalix-changed", look);
        document.addEventListener("visibilitychange", look);
        return () => {
            newest = Infinity;
            document.removeEventListener("scalix-changed", look);
            document.removeEventListener("visibilitychange", look);
        };
    }, [userId]);
    return usage;
}
/** The limits come from `checkFreeLimits`, where the host has it: the plan's shape has none. */
async function ask(userId) {
    const { electronAPI } = window;
    if (electronAPI === undefined)
        return null;
    const usage = await electronAPI.getFreeUsage(userId);
    if (usage.windows !== undefined || electronAPI.checkFreeLimits === undefined)
        return usage;
    const { windows } = await electronAPI.checkFreeLimits(userId);
    return windows === undefined ? usage : { ...usage, windows };
}
/** Hands data to an element and listens to it; React 18 would write objects as attributes. */
function useElement(data, onUpgrade) {
    const [element, setElement] = useState(null);
    useEffect(() => {
        if (element !== null)
            element.data = data;
    }, [element, data]);
    useEffect(() => {
        if (element === null || onUpgrade === undefined)
            return undefined;
        const upgrade = (event) => {
            event.preventDefault();
            onUpgrade();
        };
        element.addEventListener("scalix-upgrade", upgrade);
        return () => element.removeEventListener("scalix-upgrade", upgrade);
    }, [element, onUpgrade]);
    return useCallback((found) => setElement(found), []);
}
// ── Before the elements are there ───────────────────────────────────────────────────────────────
function banner(usage, onUpgrade) {
    const { remainingRequests, nearLimit = false } = usage;
    const left = remainingRequests === null || remainingRequests === undefined
        ? null
        : createElement("span", null, `${remainingRequests} requests remaining today`);
    return createElement("div", { className: `banner ${nearLimit ? "warning" : "info"}` }, createElement("div", { className: "free-tier-info" }, createElement("span", null, "🚀 Free Tier"), left), nearLimit ? button("Upgrade to Pro", onUpgrade) : null);
}
function dashboard(usage, onUpgrade) {
    const { requestsToday, requestsLimit, tokensUsed, tokensLimit, resetTime } = usage ?? {};
    const reset = resetTime ? new Date(resetTime).toLocaleTimeString() : "N/A";
    return createElement("div", { className: "usage-dashboard" }, createElement("h3", null, "Your Free Usage"), createElement("div", { className: "usage-stats" }, stat("Requests Today", ofLimit(requestsToday, requestsLimit)), stat("Tokens Used", ofLimit(tokensUsed, tokensLimit)), stat("Reset Time", reset)), button("Upgrade to Unlimited Usage", onUpgrade));
}
function stat(label, value) {
    return createElement("div", { className: "stat" }, createElement("span", { className: "label" }, label), createElement("span", { className: "value" }, value));
}
function button(words, onClick) {
    return createElement("button", { type: "button", className: "upgrade-button", onClick }, words);
}
function ofLimit(used, limit) {
    const shown = (used ?? 0).toLocaleString("en-US");
    return limit === null || limit === undefined ? shown : `${shown}/${limit.toLocaleString("en-US")}`;
}
