/** What goes over the wire, as `docs/api.md` has it. Times are ISO 8601 in UTC; more keys may come. */

export interface FreeTier {
  /** Of the window that binds; null where requests are not limited. */
  remaining_requests: number | null;
  /** When that window next gives a request back; null where nothing of it is used. */
  reset_time: string | null;
  upgrade_prompt: boolean;
  tier: string;
  remaining_tokens: number | null;
  window: string | null;
  session_id: string | null;
  /** The prompt that is due, if any. */
  trigger: string | null;
  /** Of a stream whose headers went out before anybody answered. */
  model?: string | null;
  attempts?: number;
}

export interface ToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

export interface Message {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  content?: string | readonly object[] | null;
  name?: string;
  tool_calls?: readonly ToolCall[];
  tool_call_id?: string;
}

/** OpenAI's chat fields, and two labels. Whatever else stands in it is sent as it is. */
export interface CompletionRequest {
  messages: readonly Message[];
  /** Left out: the best model that can answer. */
  model?: string;
  max_tokens?: number;
  max_completion_tokens?: number;
  temperature?: number;
  top_p?: number;
  stop?: string | readonly string[];
  seed?: number;
  tools?: readonly object[];
  tool_choice?: string | object;
  parallel_tool_calls?: boolean;
  response_format?: object;
  presence_penalty?: number;
  frequency_penalty?: number;
  reasoning_effort?: string;
  stream_options?: { include_usage?: boolean };
  user_id?: string;
  session_id?: string;
  [field: string]: unknown;
}

export interface TokenUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

export interface Completion {
  id: string;
  object: "chat.completion";
  created: number;
  model: string;
  choices: {
    index: number;
    message: { role: "assistant"; content: string | null; tool_calls?: ToolCall[] };
    finish_reason: string;
  }[];
  usage: TokenUsage;
  free_tier: FreeTier;
}

export interface ToolCallPart {
  index: number;
  id?: string;
  type?: "function";
  function?: { name?: string; arguments?: string };
}

export interface Chunk {
  id: string;
  object: "chat.completion.chunk";
  created: number;
  model: string;
  /** None in the chunk that carries `usage`. */
  choices: {
    index: number;
    delta: { role?: string; content?: string | null; tool_calls?: ToolCallPart[] };
    finish_reason: string | null;
  }[];
  usage?: TokenUsage | null;
  /** In the chunk that has the `finish_reason`. */
  free_tier?: FreeTier;
}

export interface Window {
  name: string;
  unit: "requests" | "tokens" | "calls";
  used: number;
  limit: number | null;
  remaining: number | null;
  resets_at: string | null;
}

export interface Limits {
  tier: string;
  windows: Window[];
  remaining_requests: number | null;
  reset_time: string | null;
  near_limit: boolean;
  upgrade_prompt: boolean;
  binding: string | null;
}

export interface Usage extends Limits {
  /** Oldest first. */
  days: { date: string; requests: number; tokens: number }[];
  /** Newest first, at most 20; none where the sums are those of an address. */
  receipts: {
    request_id: string;
    at: string;
    model: string | null;
    attempts: number;
    cache: string | null;
    outcome: "answered" | "refused" | "failed" | "abandoned";
    code: string | null;
    prompt_tokens: number | null;
    completion_tokens: number | null;
    charged_requests: number;
    charged_tokens: number;
    first_token_ms: number | null;
    total_ms: number;
  }[];
  /** Whether the sums are those of everybody at this address. */
  shared: boolean;
}

export interface Session {
  token: string;
  user_id: string;
  session_id: string;
  tier: string;
  expires_at: string;
}

export interface Rating {
  request_id: string;
  rating: -1 | 1;
  /** The prompt that is due after it, if any. */
  trigger: string | null;
}

/** An ALTCHA v2 challenge. */
export interface Challenge {
  parameters: {
    algorithm: string;
    cost: number;
    keyLength: number;
    keyPrefix: string;
    nonce: string;
    salt: string;
    [more: string]: unknown;
  };
  signature: string;
}

/** Who answered, as the headers tell it. */
export interface Receipt {
  requestId: string | null;
  /** The model that answered; of a stream that began early it is known at its end. */
  model: string | null;
  attempts: number | null;
  cache: "hit" | "miss" | "bypass" | null;
  /** The unknown model that was asked for. */
  modelRequested: string | null;
}
