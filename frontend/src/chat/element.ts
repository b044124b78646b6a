// <scalix-chat>: a conversation, with what it costs.

import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { CHANGED } from "../element";
import { keep, recall } from "../kept";
import { SCENARIOS, dismissed, isDismissed, may, remember, remembered, titleOf } from "../prompts";
import type { Trigger } from "../prompts";
import { remaining, tighter } from "../remaining";
import { Refused } from "../service";
import type { Offer, ServiceError } from "../shapes";
import { offerOf } from "../standing";
import { base } from "../styles";
import { WatchingElement } from "../watching";
import { clock, count } from "../words";
import { copy } from "./clipboard";
import { askedAgain, begun, carried, isAtLimit, letsDown, messages } from "./conversation";
import type { Exchange } from "./conversation";
import { preview, trim } from "./estimate";
import type { Bounds } from "./estimate";
import { exchangeView, whyQuality } from "./exchange-view";
import type { Actions } from "./exchange-view";
import { held, hold } from "./held";
import type { Held } from "./held";
import { limitCard } from "./limit-card";
import type { Limit } from "./limit-card";
import { Sentences } from "./sentences";
import { CHOICES, KEYS, keepSettings, settings } from "./settings";
import type { Settings } from "./settings";
import { Broken, fromHost, fromService } from "./source";
import type { Ask, Piece, Question } from "./source";
import { look } from "./styles";
import { Writing } from "./writing";

const HOUR_MS = 3_600_000;
const SAMPLES = [
  "Create a React component for a to-do list",
  "Explain recursion to a ten-year-old",
  "Write a SQL query for the ten best customers",
  "Find the bug: for (i = 0; i <= list.length; i++)",
];

export class ScalixChat extends WatchingElement {
  static override properties = {
    ...WatchingElement.properties,
    ask: { attribute: false },
    draft: {},
    samples: { type: Array },
    placeholder: {},
    maxPromptChars: { type: Number, attribute: "max-prompt-chars" },
    contextTokens: { type: Number, attribute: "context-tokens" },
    uplift: { type: Number },
    noSession: { type: Boolean, attribute: "no-session" },
    exchanges: { state: true },
    limit: { state: true },
    held: { state: true },
    offer: { state: true },
    prompt: { state: true },
    chosen: { state: true },
    heard: { state: true },
    online: { state: true },
    copied: { state: true },
    mail: { state: true },
  };

  static override styles = [base, look];

  /** A host's way to ask, in place of the service: a whole answer, or its pieces. */
  declare ask: Ask | null;
  declare draft: string;
  declare samples: string[];
  declare placeholder: string;
  declare maxPromptChars: number;
  declare contextTokens: number;
  /** Requests a day of who gives an e-mail address, where the page knows it. */
  declare uplift: number | null;
  declare noSession: boolean;

  declare protected exchanges: readonly Exchange[];
  declare protected limit: Limit | null;
  declare protected held: Held | null;
  declare protected offer: Offer | null;
  declare protected prompt: { id: string; trigger: Trigger } | null;
  declare protected chosen: Settings;
  /** What a screen reader hears of answers. */
  declare protected heard: string;
  declare protected online: boolean;
  declare protected copied: string | null;
  declare protected mail: "none" | "sent" | string;

  #running: AbortController | null = null;
  #sentences = new Sentences();
  #follows = true;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #clock: ReturnType<typeof setInterval> | undefined;
  #nearShown = false;

  constructor() {
    super();
    this.ask = null;
    this.draft = "";
    this.samples = SAMPLES;
    this.placeholder = "Ask anything";
    this.maxPromptChars = 10_000;
    this.contextTokens = 32_768;
    this.uplift = null;
    this.noSession = false;
    this.exchanges = [];
    this.limit = null;
    this.held = held();
    this.offer = null;
    this.prompt = null;
    this.chosen = settings();
    this.heard = "";
    this.online = true;
    this.copied = null;
    this.mail = "none";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener("online", this.#network);
    window.addEventListener("offline", this.#network);
    this.addEventListener("keydown", this.#keys);
    this.#network();
    this.#wait();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("online", this.#network);
    window.removeEventListener("offline", this.#network);
    this.removeEventListener("keydown", this.#keys);
    this.stop();
    clearTimeout(this.#timer);
    clearInterval(this.#clock);
  }

  // ── Asking ────────────────────────────────────────────────────────────────────────────────

  /** Ask this, as if it had been typed and sent. */
  async send(text: string = this.draft): Promise<void> {
    const question = text.trim();
    if (question === "" || this.#running !== null) return;
    const exchange = begun(unique(), question);
    this.exchanges = [...this.exchanges, exchange];
    this.draft = "";
    this.#follows = true;
    await this.#answer(exchange, false, exchange.id);
  }

  /** Stop the answer that is being written; what is there stays. */
  stop(): void {
    this.#running?.abort();
  }

  /** Forget the conversation. */
  clear(): void {
    this.stop();
    this.exchanges = [];
    this.prompt = null;
  }

  async #again(before: Exchange): Promise<void> {
    if (this.#running !== null) return;
    const exchange = askedAgain(before);
    this.#put(exchange);
    // A failure that is tried again is the same turn, and charged once; another answer is a new one.
    const turn = exchange.again > before.again ? `${exchange.id}-${exchange.again}` : exchange.id;
    await this.#answer(exchange, true, turn);
  }

  async #answer(asked: Exchange, fresh: boolean, turn: string): Promise<void> {
    const controller = new AbortController();
    this.#running = controller;
    this.#sentences = new Sentences();
    this.prompt = null;
    let due: string | null = "FIRST_REQUEST"; // a host that says nothing of it leaves it to us
    const writing = new Writing(asked, (exchange) => this.#put(exchange));
    try {
      await this.#session();
      const question: Question = {
        messages: messages(this.exchanges, asked.id),
        fresh,
        turn,
        stream: this.chosen.stream,
      };
      for await (const piece of this.#pieces(question, controller.signal)) {
        if (piece.kind === "text") this.#sentences.feed(piece.text);
        if (piece.kind === "end" && piece.freeTier !== null) due = piece.freeTier.trigger;
        writing.add(piece);
        this.#speak(false);
      }
      writing.end("done");
    } catch (error) {
      this.#failed(writing, error, controller.signal);
    } finally {
      this.#running = null;
      writing.close();
    }
    this.#answered(asked.id, due);
  }

  #pieces(question: Question, signal: AbortSignal): AsyncGenerator<Piece> {
    if (this.ask !== null) return fromHost(this.ask, question, signal);
    const { service } = this;
    if (service === null) throw new Refused(0, { message: "This chat is not connected.", code: null });
    return fromService(service, question, signal);
  }

  #failed(writing: Writing, error: unknown, signal: AbortSignal): void {
    if (signal.aborted) {
      writing.end("stopped");
    } else if (error instanceof Broken) {
      writing.end("cut", error.error);
    } else if (error instanceof Refused && isAtLimit(error.error)) {
      this.exchanges = this.exchanges.filter(({ id }) => id !== writing.id);
      this.#stopAt(error.error, writing.question);
    } else if (error instanceof Refused) {
      writing.end("failed", error.error);
    } else {
      const message = error instanceof Error ? error.message : "Failed to generate response";
      writing.end("failed", { message, code: null });
    }
  }

  #answered(id: string, due: string | null): void {
    const exchange = this.exchanges.find((one) => one.id === id);
    this.#speak(true, exchange);
    this.emit(CHANGED, { state: exchange?.state ?? "refused", receipt: exchange?.receipt ?? null });
    if (exchange?.state === "done") this.#suggest(exchange, due);
  }

  /** An identity of one's own, so that receipts are one's own too. Without one the address counts. */
  async #session(): Promise<void> {
    const { service } = this;
    if (service === null || this.noSession || this.token !== null || this.ask !== null) return;
    const isOwn = new URL(this.baseUrl ?? "", location.href).origin === location.origin;
    if (!isOwn || Number(recall("session-until") ?? 0) > Date.now()) return;
    const until = await service.session().then(
      ({ expires_at }) => Date.parse(expires_at),
      () => Date.now() + HOUR_MS,
    );
    keep("session-until", String(until));
  }

  #put(exchange: Exchange): void {
    this.exchanges = this.exchanges.map((one) => (one.id === exchange.id ? exchange : one));
  }

  // ── Limits ────────────────────────────────────────────────────────────────────────────────

  #stopAt(error: ServiceError | null, question: string): void {
    const resetAt = error?.reset_at ?? this.now?.resetAt ?? null;
    if (question !== "") this.draft = question;
    this.limit = { error, resetAt };
    this.record({ trigger: "AT_LIMIT", action: "impression", message_id: "chat-limit" });
    void this.#loadOffer("AT_LIMIT");
    this.#wait();
  }

  async #loadOffer(trigger: Trigger): Promise<void> {
    this.offer = offerOf(this.data);
    if (this.offer !== null) return;
    const asked = this.service?.offer("month", { trigger: SCENARIOS[trigger] });
    this.offer = (await asked?.catch(() => null)) ?? null;
  }

  /** Wake when the limit gives something back, and send what was kept for then. */
  #wait(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#clock);
    const at = this.held?.atMs ?? (this.limit?.resetAt ? Date.parse(this.limit.resetAt) : null);
    if (at === null) return;
    const wait = Math.min(Math.max(at - Date.now(), 0) + 500, 2_147_483_647);
    this.#timer = setTimeout(() => this.#wake(at), wait);
    this.#clock = setInterval(() => this.requestUpdate(), 1_000);
  }

  #wake(at: number): void {
    if (Date.now() < at) return this.#wait();
    clearInterval(this.#clock);
    this.limit = null;
    const { held: kept } = this;
    this.#hold(null);
    if (kept !== null) void this.send(kept.text);
    else void this.refresh();
  }

  #hold(message: Held | null): void {
    this.held = message;
    hold(message);
  }

  readonly #holdDraft = (): void => {
    const text = this.draft.trim();
    const at = this.limit?.resetAt;
    if (text === "" || !at) return;
    this.#hold({ text, atMs: Date.parse(at) });
    this.draft = "";
    this.#wait();
  };

  readonly #release = (): void => {
    this.draft = this.held?.text ?? this.draft;
    this.#hold(null);
    this.#wait();
  };

  readonly #shorten = (): void => {
    this.limit = null;
    this.#trimDraft();
    void this.updateComplete.then(() => this.#field?.focus());
  };

  // ── Prompts ───────────────────────────────────────────────────────────────────────────────

  /** What is due by the answer itself, unless this browser has had its share of it. */
  #suggest(exchange: Exchange, due: string | null): void {
    const nowMs = Date.now();
    const bad = letsDown(exchange) !== null || due === "QUALITY_ISSUE";
    if (!bad && due !== "FIRST_REQUEST") return;
    const trigger = bad ? "QUALITY_ISSUE" : "FIRST_REQUEST";
    if (!may({ trigger, nowMs })) return;
    this.prompt = { id: exchange.id, trigger };
    this.record({ trigger, action: "impression", message_id: `chat-${trigger.toLowerCase()}` });
    if (trigger === "QUALITY_ISSUE") void this.#loadOffer(trigger);
  }

  #promptCard(exchange: Exchange): TemplateResult | typeof nothing {
    const { prompt } = this;
    if (prompt?.id !== exchange.id) return nothing;
    const { trigger } = prompt;
    const message = `chat-${trigger.toLowerCase()}`;
    const away = (): void => {
      this.prompt = null;
      this.record({ trigger, action: "dismiss", message_id: message });
      this.emit("scalix-dismiss", { trigger, message_id: message });
    };
    if (trigger === "FIRST_REQUEST") {
      return html`<aside class="card prompt" part="prompt" aria-label="Welcome">
        <h3>${titleOf("FIRST_REQUEST", this.offer)}</h3>
        <p>${this.#welcome()}</p>
        <button type="button" @click=${away}>Got it</button>
      </aside>`;
    }
    return html`<aside class="card prompt" part="prompt" aria-label="About this answer">
      <h3>${titleOf("QUALITY_ISSUE", this.offer)}</h3>
      <p>${whyQuality(exchange)}</p>
      ${this.offer === null ? nothing : html`<p>${this.offer.message}</p>`}
      <div class="row">
        <button type="button" ?disabled=${this.#running !== null} @click=${() => void this.#again(exchange)}>Try another free model</button>
        <button type="button" @click=${() => this.upgrade(trigger, message)}>${this.offer?.call_to_action ?? "Upgrade for Better AI"}</button>
        <button type="button" class="quiet" @click=${away}>Not now</button>
      </div>
    </aside>`;
  }

  #welcome(): string {
    const { now } = this;
    if (now?.day?.limit === null || now === null || now.day === null) return "You are in: no key, no account.";
    const { limit, resets_at } = now.day;
    const again = resets_at === null ? "" : ` The first one comes back at ${clock(resets_at, new Date())}.`;
    return `You have ${count(limit)} free requests a day, without a key or an account.${again}`;
  }

  // ── What people do ────────────────────────────────────────────────────────────────────────

  readonly #actions: Actions = {
    again: (exchange) => void this.#again(exchange),
    proceed: () => void this.send("Continue exactly where you stopped."),
    rate: (exchange, rating) => void this.#rate(exchange, rating),
    copy: (exchange) => void this.#copy(exchange.answer, exchange.id),
    trim: (exchange) => {
      this.exchanges = this.exchanges.filter(({ id }) => id !== exchange.id);
      this.draft = exchange.question;
      this.#trimDraft();
    },
  };

  async #rate(exchange: Exchange, rating: -1 | 1): Promise<void> {
    const rated = { ...exchange, rating };
    this.#put(rated);
    const request_id = exchange.receipt?.requestId ?? null;
    this.emit("scalix-feedback", { request_id, rating });
    if (request_id !== null) await this.service?.rate(request_id, rating).catch(() => undefined);
    if (rating === -1) this.#suggest(rated, null);
  }

  async #copy(text: string, id: string): Promise<void> {
    if (!(await copy(text))) return;
    this.copied = id;
    this.heard = "Copied";
    setTimeout(() => (this.copied = null), 2_000);
  }

  readonly #clicked = (event: Event): void => {
    const button = (event.target as Element).closest("[data-copy]");
    const code = button?.closest(".code")?.querySelector("code")?.textContent;
    if (!button || code === undefined || code === null) return;
    void copy(code).then((done) => {
      button.textContent = done ? "Copied" : "Copy";
      setTimeout(() => (button.textContent = "Copy"), 2_000);
    });
  };

  #trimDraft(): void {
    const said = this.exchanges.filter(({ dropped, answer }) => !dropped && answer !== "");
    const { draft, dropped } = trim(this.draft, said, this.now, this.#bounds);
    const gone = new Set(said.slice(0, dropped).map(({ id }) => id));
    this.draft = draft;
    this.exchanges = this.exchanges.map((one) => (gone.has(one.id) ? { ...one, dropped: true } : one));
  }

  get #bounds(): Bounds {
    return { promptChars: this.maxPromptChars, contextTokens: this.contextTokens };
  }

  readonly #network = (): void => {
    this.online = navigator.onLine;
  };

  get #field(): HTMLTextAreaElement | null {
    return this.renderRoot.querySelector("textarea");
  }

  readonly #keys = (event: KeyboardEvent): void => {
    const from = event.composedPath()[0] as HTMLElement;
    if (event.key === "Escape") {
      if (this.#running !== null) {
        event.preventDefault();
        this.stop();
      } else {
        this.renderRoot.querySelector("details.settings")?.removeAttribute("open");
      }
      return;
    }
    if (!this.chosen.shortcuts || event.ctrlKey || event.metaKey || event.altKey) return;
    if (from.matches("input, textarea, select")) return;
    if (event.key === "?") {
      this.renderRoot.querySelector("details.settings")?.toggleAttribute("open");
      return;
    }
    const article = from.closest<HTMLElement>("article");
    if (article !== null) this.#move(event, article);
  };

  #move(event: KeyboardEvent, from: HTMLElement): void {
    const all = [...this.renderRoot.querySelectorAll<HTMLElement>("article")];
    const step = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      all[all.indexOf(from) + step]?.focus();
    } else if (event.key === "c") {
      const id = from.dataset["id"] ?? "";
      const exchange = this.exchanges.find((one) => id.startsWith(one.id));
      if (exchange) void this.#copy(id.endsWith("question") ? exchange.question : exchange.answer, exchange.id);
    }
  }

  /** Whole sentences, not too fast, into a region that nobody sees. */
  #speak(ended: boolean, exchange?: Exchange): void {
    if (!this.chosen.sentences) return;
    if (!ended) {
      this.heard = this.#sentences.take(performance.now()) ?? this.heard;
      return;
    }
    const ends: Partial<Record<string, string>> = {
      done: "Answer complete.",
      stopped: "Stopped.",
      cut: "The answer broke off.",
      failed: exchange?.error?.message ?? "No answer.",
    };
    this.heard = `${this.#sentences.end()} ${ends[exchange?.state ?? ""] ?? ""}`.trim();
  }

  // ── Showing ───────────────────────────────────────────────────────────────────────────────

  protected override willUpdate(changes: PropertyValues): void {
    super.willUpdate(changes);
    const { now } = this;
    if (now === null || !(changes.has("fetched") || changes.has("data"))) return;
    if (now.empty && this.limit === null && this.#running === null) this.#stopAt(null, "");
    if (!now.empty && this.limit?.error === null) this.limit = null;
  }

  protected override updated(changes: PropertyValues): void {
    super.updated(changes);
    const grew = changes.has("exchanges") || changes.has("prompt") || changes.has("limit");
    if (grew && this.#follows && this.exchanges.length > 0) {
      this.renderRoot.querySelector(".end")?.scrollIntoView({ block: "end" });
    }
    if (changes.has("limit") && this.limit !== null && changes.get("limit") === null) {
      const lost = this.renderRoot instanceof ShadowRoot && this.renderRoot.activeElement === null;
      if (lost && document.activeElement === this) this.renderRoot.querySelector<HTMLElement>(".limit h3")?.focus();
    }
    this.#countNear();
  }

  #sellsNear(): boolean {
    const { now } = this;
    return (
      now !== null &&
      now.near &&
      !now.empty &&
      this.#running === null &&
      this.limit === null &&
      this.held === null &&
      !isDismissed(remembered(), Date.now())
    );
  }

  #countNear(): void {
    const sells = this.#sellsNear();
    if (sells === this.#nearShown) return;
    this.#nearShown = sells;
    const { now } = this;
    if (!sells || now === null) return;
    const resetMs = now.resetAt === null ? 0 : Date.parse(now.resetAt);
    const window = (now.tighter ?? now.day)?.name ?? "";
    if (may({ trigger: "NEAR_LIMIT", nowMs: Date.now(), window, resetMs })) {
      this.record({ trigger: "NEAR_LIMIT", action: "impression", message_id: "chat-quota" });
    }
  }

  protected override render(): TemplateResult {
    const { exchanges } = this;
    const busy = this.#running !== null;
    const limited = this.limit !== null || this.held !== null;
    const last = exchanges.at(-1);
    return html`
      <div class="chat" part="chat" @click=${this.#clicked} @wheel=${this.#scrolled} @touchmove=${this.#scrolled}>
        <div class="log" role="log" aria-live="off" aria-label="Conversation" part="log">
          ${exchanges.map((exchange, index) => [
            exchanges[index - 1]?.dropped && !exchange.dropped
              ? html`<p class="divider">What stands above is not sent along any more.</p>`
              : nothing,
            exchangeView({
              exchange,
              actions: this.#actions,
              busy,
              copied: this.copied === exchange.id,
              isStop: exchange === last,
              prompt: this.#promptCard(exchange),
            }),
          ])}
        </div>
        <div class="end"></div>
        <div class="dock ${limited ? "limited" : ""}" part="dock">
          ${limited ? this.#limitCard() : this.#composer(busy)} ${this.#quota(busy)}
        </div>
        <div class="spoken" aria-live="polite">${this.heard}</div>
        <div class="spoken" role="status">${this.said}</div>
      </div>
    `;
  }

  readonly #scrolled = (event: Event): void => {
    const end = this.renderRoot.querySelector(".end")?.getBoundingClientRect();
    const atEnd = end !== undefined && end.top < window.innerHeight;
    this.#follows = atEnd && !(event instanceof WheelEvent && event.deltaY < 0);
  };

  #limitCard(): TemplateResult {
    return limitCard({
      limit: this.limit ?? { error: null, resetAt: new Date(this.held?.atMs ?? 0).toISOString() },
      draft: this.draft,
      held: this.held,
      offer: this.offer,
      tokensLeft: this.now?.tokens?.remaining ?? null,
      uplift: this.service !== null && this.now?.tier === "anonymous" ? (this.uplift ?? 0) : null,
      mail: this.mail,
      write: (text) => (this.draft = text),
      hold: this.#holdDraft,
      release: this.#release,
      shorten: this.#shorten,
      upgrade: () => this.upgrade("AT_LIMIT", "chat-limit"),
      register: (email) => void this.#register(email),
    });
  }

  async #register(email: string): Promise<void> {
    try {
      await this.service?.register(email);
      this.mail = "sent";
    } catch (error) {
      this.mail = error instanceof Refused ? error.message : "That did not work.";
    }
  }

  #composer(busy: boolean): TemplateResult {
    const seen = preview(this.draft, carried(this.exchanges), this.now, this.#bounds);
    const typed = this.draft.trim() !== "";
    return html`
      ${this.exchanges.length === 0 ? this.#samples() : nothing}
      <form class="composer" part="composer" @submit=${this.#submitted}>
        <label class="spoken" for="draft">Your message</label>
        <textarea id="draft" rows="2" .value=${this.draft} placeholder=${this.placeholder} part="input"
          aria-describedby="cost" enterkeyhint="send" @input=${this.#typed} @keydown=${this.#entered}></textarea>
        <div class="row">
          <span class="hint grow ${seen.fits ? "" : "over"}" id="cost" part="preview">
            ${typed ? (seen.fits ? seen.words : seen.reason) : nothing}
          </span>
          ${typed && !seen.fits
            ? html`<button type="button" @click=${() => this.#trimDraft()}>Trim to fit</button>`
            : nothing}
          ${busy
            ? html`<button type="button" class="stop" part="stop" @click=${() => this.stop()}>Stop</button>`
            : html`<button class="primary" part="send" ?disabled=${!typed}>Send</button>`}
        </div>
      </form>
    `;
  }

  #samples(): TemplateResult {
    return html`<div class="samples" part="samples" role="group" aria-label="Examples">
      ${this.samples.map(
        (sample) => html`<button type="button" @click=${() => void this.send(sample)}>${sample}</button>`,
      )}
    </div>`;
  }

  readonly #submitted = (event: Event): void => {
    event.preventDefault();
    void this.send();
  };

  readonly #typed = (event: Event): void => {
    this.draft = (event.target as HTMLTextAreaElement).value;
  };

  readonly #entered = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void this.send();
  };

  #quota(busy: boolean): TemplateResult {
    const { now } = this;
    const sells = this.#sellsNear();
    return html`<div class="quota ${now?.level ?? ""}" part="quota">
      ${this.online
        ? now === null
          ? html`<span></span>`
          : html`<span class="level">${now.level === "ok" ? nothing : html`<span aria-hidden="true">⚠</span>`} ${remaining(now)} ${tighter(now)}</span>`
        : html`<span class="level"><span aria-hidden="true">⚠</span> You are offline. What you type stays here.</span>`}
      ${sells
        ? html`<span class="row">
            <button type="button" @click=${() => this.upgrade("NEAR_LIMIT", "chat-quota")}>Upgrade to Pro</button>
            <button type="button" class="quiet" @click=${this.#dismissNear}>Not now</button>
          </span>`
        : nothing}
      <details class="settings">
        <summary>Settings</summary>
        <div class="panel">
          ${CHOICES.map(
            ({ name, words }) => html`<label class="check">
              <input type="checkbox" .checked=${this.chosen[name]} @change=${() => this.#choose(name)} />
              <span>${words}</span>
            </label>`,
          )}
          <dl class="keys">${KEYS.map(([keys, does]) => html`<dt><kbd>${keys}</kbd></dt><dd>${does}</dd>`)}</dl>
          <button type="button" ?disabled=${busy || this.exchanges.length === 0} @click=${() => this.clear()}>Clear the conversation</button>
        </div>
      </details>
    </div>`;
  }

  readonly #dismissNear = (): void => {
    remember(dismissed(remembered(), Date.now()));
    this.record({ trigger: "NEAR_LIMIT", action: "dismiss", message_id: "chat-quota" });
    this.emit("scalix-dismiss", { trigger: "NEAR_LIMIT", message_id: "chat-quota" });
    this.requestUpdate();
  };

  #choose(name: keyof Settings): void {
    this.chosen = { ...this.chosen, [name]: !this.chosen[name] };
    keepSettings(this.chosen);
  }
}

/** Also where the page is not trusted enough for `crypto.randomUUID`. */
function unique(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `turn-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
