// Talks to the service. Every failure comes out as a `Refused`, with words for a person.

import type { Limits, Offer, ServiceError, UsageReport } from "./shapes";

export class Refused extends Error {
  readonly error: ServiceError;
  readonly status: number;

  constructor(status: number, error: ServiceError) {
    super(error.message);
    this.name = "Refused";
    this.status = status;
    this.error = error;
  }
}

/** A failure to reach the service at all. */
export const OFFLINE = "offline";

export interface PromptEvent {
  trigger: string;
  action: "impression" | "click" | "dismiss";
  message_id: string;
}

const FREE = "/api/v1/free";

export class Service {
  readonly #base: string;
  readonly #token: string | null;

  constructor(base: string, token: string | null = null) {
    this.#base = base.replace(/\/+$/, "");
    this.#token = token;
  }

  limits(): Promise<Limits> {
    return this.#json<Limits>("GET", `${FREE}/limits`);
  }

  usage(days: number): Promise<UsageReport> {
    return this.#json<UsageReport>("GET", `${FREE}/usage?days=${days}`);
  }

  /** In the words of one prompt, where one is named; `plain` is without anything personal. */
  offer(interval: "month" | "year", wished: { trigger?: string; plain?: boolean } = {}): Promise<Offer> {
    const asked = new URLSearchParams({ interval });
    if (wished.trigger !== undefined) asked.set("trigger", wished.trigger);
    if (wished.plain === true) asked.set("plain", "true");
    return this.#json<Offer>("GET", `${FREE}/offer?${asked}`);
  }

  checkout(plan: string, interval: "month" | "year"): Promise<{ url: string }> {
    return this.#json<{ url: string }>("POST", `${FREE}/checkout`, { plan, interval });
  }

  lead(email: string, source: string): Promise<unknown> {
    return this.#json("POST", `${FREE}/leads`, { email, consent: true, source });
  }

  register(email: string): Promise<unknown> {
    return this.#json("POST", `${FREE}/register`, { email });
  }

  rate(requestId: string, rating: -1 | 1, comment?: string): Promise<unknown> {
    const said = comment === undefined ? {} : { comment };
    return this.#json("POST", `${FREE}/feedback`, { request_id: requestId, rating, ...said });
  }

  session(): Promise<{ expires_at: string }> {
    return this.#json<{ expires_at: string }>("POST", `${FREE}/session`);
  }

  /** Told and forgotten: what is not counted harms nobody. */
  tell(event: PromptEvent): void {
    // Only a click may lead away from the page. What is kept alive for that counts as open for long.
    const init: RequestInit = { ...this.#init("POST", event), keepalive: event.action === "click" };
    void fetch(`${this.#base}${FREE}/events`, init)
      .then((response) => response.text())
      .catch(() => undefined);
  }

  /** The raw answer of a completion; refusals before the first byte are thrown. */
  complete(body: object, extra: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const init = this.#init("POST", body);
    const headers = { ...(init.headers as Record<string, string>), ...extra };
    return this.#fetch("/v1/chat/completions", { ...init, headers, signal });
  }

  async #json<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await this.#fetch(path, this.#init(method, body));
    return (response.status === 204 ? null : await response.json().catch(() => null)) as T;
  }

  #init(method: string, body?: object): RequestInit {
    const headers: Record<string, string> = {};
    if (body !== undefined) headers["content-type"] = "application/json";
    if (this.#token !== null) headers["authorization"] = `Bearer ${this.#token}`;
    const init: RequestInit = { method, headers, credentials: "same-origin" };
    return body === undefined ? init : { ...init, body: JSON.stringify(body) };
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(this.#base + path, init);
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new Refused(0, {
        message: "The service cannot be reached. Check your connection and try again.",
        code: OFFLINE,
        retryable: true,
      });
    }
    if (response.ok) return response;
    throw new Refused(response.status, await errorOf(response));
  }
}

async function errorOf(response: Response): Promise<ServiceError> {
  try {
    const { error } = (await response.json()) as { error?: ServiceError };
    if (typeof error?.message === "string") return error;
  } catch {
    // Whatever stands between us and the service answered in its own words.
  }
  return { message: `The service answered ${response.status}. Try again in a moment.`, code: null };
}
