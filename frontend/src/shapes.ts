// What the service says, as its manual describes it (docs/api.md), and what a host hands over.
//
// What the JavaScript client hears too has one description, which is the client's. Only types are taken
// from there: nothing of it is in the bundles.

import type { Limits, Usage, Window } from "../../clients/js/src/shapes.js";

export type { FreeTier, Limits, Window } from "../../clients/js/src/shapes.js";

export type Day = Usage["days"][number];
export type Receipt = Usage["receipts"][number];

/** What `GET /api/v1/free/usage` says beside the limits; a host may leave out whether it is shared. */
export type UsageLog = Pick<Usage, "days" | "receipts"> & Partial<Pick<Usage, "shared">>;

/** `GET /api/v1/free/usage`. */
export type UsageReport = Limits & UsageLog;

export interface Discount {
  code: string;
  kind: "personal" | "promotion";
  percent: number | string;
  reason: string;
  expires_at: string | null;
}

/** Money is text in decimals, never a number. */
export interface Price {
  base: string;
  price: string;
  renewal: string;
  discounts: Discount[];
}

/** `GET /api/v1/free/offer`. */
export interface Offer {
  trigger: string | null;
  message: string;
  /** Null where nothing is sold: a welcome. */
  call_to_action: string | null;
  message_id?: string;
  /** What stands on a prompt of each trigger, as the operator words it. */
  texts?: Record<string, string>;
  payments_available?: boolean;
  currency: string;
  monthly: Price;
  annual: Price;
  notice: string | null;
}

/** `window.electronAPI.getFreeUsage(userId)`; the limits are there where the host passes them on. */
export interface HostUsage {
  requestsToday?: number;
  tokensUsed?: number;
  resetTime?: string | number | Date | null;
  remainingRequests?: number | null;
  nearLimit?: boolean;
  requestsLimit?: number | null;
  tokensLimit?: number | null;
  windows?: Window[];
}

/** Everything that one host may hand over at once. */
export interface HostData {
  limits?: Limits | HostUsage | undefined;
  usage?: UsageLog | undefined;
  offer?: Offer | undefined;
}

export type Data = Limits | UsageReport | HostUsage | HostData;

/** The `error` of a refusal or a failure. */
export interface ServiceError {
  message: string;
  code: string | null;
  type?: string | null;
  retryable?: boolean | null;
  retry_after_seconds?: number | null;
  reset_at?: string | null;
  window?: string | null;
  upgrade_url?: string | null;
  request_id?: string | null;
}
