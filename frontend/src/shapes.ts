// What the service says, as its manual describes it (docs/api.md).

export interface Window {
  name: string;
  unit: string;
  used: number;
  limit: number | null;
  remaining: number | null;
  resets_at: string | null;
}

/** `GET /api/v1/free/limits`. */
export interface Limits {
  tier: string;
  windows: Window[];
  remaining_requests: number | null;
  reset_time: string | null;
  near_limit: boolean;
  upgrade_prompt: boolean;
  binding: string | null;
}

export interface Day {
  date: string;
  requests: number;
  tokens: number;
}

export interface Receipt {
  request_id: string;
  at: string;
  model: string | null;
  attempts: number | null;
  cache: string | null;
  outcome: string;
  code?: string | null;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  charged_requests: number | null;
  charged_tokens: number | null;
  first_token_ms: number | null;
  total_ms: number | null;
}

/** What `GET /api/v1/free/usage` says beside the limits. */
export interface UsageLog {
  days: Day[];
  receipts: Receipt[];
  /** Whether the sums are those of an address: then there are no receipts. */
  shared?: boolean;
}

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

/** What is left, as it rides on every answer. */
export interface FreeTier {
  remaining_requests: number | null;
  reset_time: string | null;
  upgrade_prompt: boolean;
  tier: string;
  remaining_tokens: number | null;
  window: string | null;
  session_id: string | null;
  trigger: string | null;
  model?: string | null;
  attempts?: number;
}
