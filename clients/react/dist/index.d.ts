import type { ReactElement } from "react";
/** One limit, as `GET /api/v1/free/limits` tells it. */
export interface UsageWindow {
    name: string;
    unit: "requests" | "tokens" | "calls";
    used: number;
    limit: number | null;
    remaining: number | null;
    resets_at: string | null;
}
/** What a host tells; the limits are shown where it knows them. */
export interface FreeUsage {
    requestsToday?: number;
    tokensUsed?: number;
    resetTime?: string | number | Date | null;
    remainingRequests?: number | null;
    nearLimit?: boolean;
    requestsLimit?: number | null;
    tokensLimit?: number | null;
    windows?: UsageWindow[];
}
export interface FreeTierBannerProps {
    usage: FreeUsage | null | undefined;
    onUpgrade?: (() => void) | undefined;
}
export interface FreeUsageDashboardProps {
    userId: string;
    onUpgrade?: (() => void) | undefined;
}
/** Says what is left, and leads to Pro where that is little. */
export declare function FreeTierBanner({ usage, onUpgrade }: FreeTierBannerProps): ReactElement;
/** Shows what was used, asked of the host with `window.electronAPI.getFreeUsage(userId)`. */
export declare function FreeUsageDashboard({ userId, onUpgrade }: FreeUsageDashboardProps): ReactElement;
/** The usage of somebody, asked again when the chat was answered or the window is looked at again. */
export declare function useFreeUsage(userId: string): FreeUsage | null;
