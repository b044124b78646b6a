// <scalix-chat>: a conversation, with what it costs. Here it is asked, and shown.

import { html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { CHANGED } from "../element";
import { SCENARIOS } from "../prompts";
import type { Trigger } from "../prompts";
import { Refused } from "../service";
import type { Offer, ServiceError } from "../shapes";
import { offerOf } from "../standing";
import { base } from "../styles";
import { WatchingElement } from "../watching";
import { composer } from "./composer";
import { askedAgain, begun, carried, messages, returned, stands, turnOf } from "./conversation";
import type { Exchange } from "./conversation";
import { Copying } from "./copying";
import { DONE, endOf } from "./ending";
import type { End } from "./ending";
import { preview, trim } from "./estimate";
import type { Bounds } from "./estimate";
import { exchangeView } from "./exchange-view";
import type { Actions } from "./exchange-view";
import { Following } from "./following";
import * as identity from "./identity";
import { press } from "./keys";
import { limitCard } from "./limit-card";
import type { Limit } from "./limit-card";
import { Limited } from "./limited";
import { promptCard } from "./prompt-card";
import { NEAR_ID, Prompting, messageIdOf } from "./prompting";
import type { Prompt } from "./prompting";
import { quotaStrip } from "./quota-strip";
import { keepSettings, settings } from "./settings";
import type { Settings } from "./settings";
import { fromHost, fromService } from "./source";
import type { Ask, Piece, Question } from "./source";
import { orStopped } from "./stopping";
import { look } from "./styles";
import { Voice } from "./voice";
import { Writing } from "./writing";

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
    offer: { state: true },
    chosen: { state: true },
    heard: { state: true },
    online: { state: true },
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
  declare protected offer: Offer | null;
  declare protected chosen: Settings;
  /** What a screen reader hears of answers. */
  declare protected heard: string;
  declare protected online: boolean;

  #running: AbortController | null = null;
  /** What was shown last, to see what came. */
  #shown: readonly [exchanges: readonly Exchange[], prompt: Prompt | null, limit: Limit | null] = [[], null, null];

  readonly #limited = new Limited(this);
  readonly #prompting = new Prompting({
    record: (event) => this.record(event),
    sentAway: (trigger, message_id) => this.emit("scalix-dismiss", { trigger, message_id }),
    loadOffer: (trigger) => void this.#loadOffer(trigger),
    requestUpdate: () => this.requestUpdate(),
  });
  readonly #voice = new Voice((words) => {
    if (this.chosen.sentences) this.heard = words;
  });
  readonly #copying = new Copying((words) => {
    this.heard = words ?? this.heard;
    this.requestUpdate();
  });
  readonly #following = new Following(() => this.renderRoot.querySelector(".end"));

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
    this.offer = null;
    this.chosen = settings();
    this.heard = "";
    this.online = true;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener("online", this.#network);
    window.addEventListener("offline", this.#network);
    this.addEventListener("keydown", this.#keys);
    this.#network();
    this.#limited.connect();
    this.#following.connect();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("online", this.#network);
    window.removeEventListener("offline", this.#network);
    this.removeEventListener("keydown", this.#keys);
    this.stop();
    this.#limited.disconnect();
    this.#following.disconnect();
  }

  /** Whether an answer is being written. */
  get busy(): boolean {
    return this.#running !== null;
  }

  // ── Asking ────────────────────────────────────────────────────────────────────────────────

  /** Ask this, as if it had been typed and sent. */
  async send(text: string = this.draft): Promise<void> {
    const question = text.trim();
    if (question === "" || this.busy) return;
    const exchange = begun(unique(), question);
    this.exchanges = [...this.exchanges, exchange];
    if (text === this.draft) this.draft = "";
    await this.#answer(exchange, null);
  }

  /** Stop the answer that is being written; what is there stays. */
  stop(): void {
    this.#running?.abort();
  }

  /** Forget the conversation. */
  clear(): void {
    this.stop();
    this.#running = null;
    this.exchanges = [];
    this.#prompting.forget();
  }

  async #again(before: Exchange): Promise<void> {
    if (this.busy) return;
    const exchange = askedAgain(before);
    this.#put(exchange);
    await this.#answer(exchange, before);
  }

  /** `before` is what was there of the same question. */
  async #answer(asked: Exchange, before: Exchange | null): Promise<void> {
    const controller = new AbortController();
    this.#running = controller;
    this.#voice.begin();
    this.#prompting.begin();
    this.#following.begin();
    const writing = new Writing(asked, (exchange) => this.#put(stands(before, exchange)));
    let due: string | null = "FIRST_REQUEST"; // a host that says nothing of it leaves it to us
    let end: End = DONE;
    try {
      for await (const piece of this.#pieces(asked, before !== null, controller.signal)) {
        writing.add(piece);
        this.#voice.hear(piece, performance.now());
        if (piece.kind !== "end" || piece.freeTier === null) continue;
        due = piece.freeTier.trigger;
        if (piece.freeTier.session_id === null) identity.lost();
      }
    } catch (error) {
      end = endOf(error, controller.signal);
    }
    if (end.state === "refused") this.#takeBack(asked, before, end.error);
    else writing.end(end.state, end.error);
    writing.close();
    if (this.#running === controller) this.#answered(asked, end, due);
  }

  async *#pieces(asked: Exchange, fresh: boolean, signal: AbortSignal): AsyncGenerator<Piece> {
    const { ask, service, chosen } = this;
    const sent = messages(this.exchanges, asked.id);
    const question: Question = { messages: sent, fresh, turn: turnOf(asked), stream: chosen.stream };
    if (ask !== null) return yield* fromHost(ask, question, signal);
    if (service === null) throw new Refused(0, { message: "This chat is not connected.", code: null });
    const isOwn = new URL(this.baseUrl ?? "", location.href).origin === location.origin;
    if (isOwn && this.token === null && !this.noSession) await orStopped(identity.begin(service), signal);
    yield* fromService(service, question, signal);
  }

  #answered(asked: Exchange, end: End, due: string | null): void {
    this.#running = null;
    const exchange = this.exchanges.find(({ id }) => id === asked.id) ?? null;
    const receipt = end.state === "refused" ? null : (exchange?.receipt ?? null);
    this.#voice.end(end.state, end.error?.message ?? null);
    this.emit(CHANGED, { state: end.state, receipt });
    this.#prompting.end(end.state === "done" ? exchange : null, due);
    this.#limited.resume();
    this.requestUpdate();
  }

  /** Refused: the question stands in the composer again, and an answer that was there stays. */
  #takeBack(asked: Exchange, before: Exchange | null, error: ServiceError): void {
    if (before !== null && before.answer !== "") {
      this.#put(before);
      return this.#stopAt(error, "");
    }
    this.exchanges = this.exchanges.filter(({ id }) => id !== asked.id);
    this.#stopAt(error, asked.question);
  }

  #stopAt(error: ServiceError | null, question: string): void {
    this.draft = returned(question, this.draft);
    this.#limited.stopAt({ error, resetAt: error?.reset_at ?? this.now?.resetAt ?? null });
    this.record({ trigger: "AT_LIMIT", action: "impression", message_id: "chat-limit" });
    void this.#loadOffer("AT_LIMIT");
  }

  async #loadOffer(trigger: Trigger): Promise<void> {
    this.offer = offerOf(this.data);
    if (this.offer !== null) return;
    const asked = this.service?.offer("month", { trigger: SCENARIOS[trigger] });
    this.offer = (await asked?.catch(() => null)) ?? null;
  }

  #put(exchange: Exchange): void {
    this.exchanges = this.exchanges.map((one) => (one.id === exchange.id ? exchange : one));
  }

  // ── What people do ────────────────────────────────────────────────────────────────────────

  readonly #actions: Actions = {
    again: (exchange) => void this.#again(exchange),
    proceed: () => void this.send("Continue exactly where you stopped."),
    rate: (exchange, rating) => void this.#rate(exchange, rating),
    copy: ({ answer, id }) => void this.#copying.message(answer, id),
    trim: (exchange) => {
      this.exchanges = this.exchanges.filter(({ id }) => id !== exchange.id);
      this.draft = returned(exchange.question, this.draft);
      this.#trimDraft();
    },
  };

  async #rate(exchange: Exchange, rating: -1 | 1): Promise<void> {
    const rated = { ...exchange, rating };
    this.#put(rated);
    const request_id = exchange.receipt?.requestId ?? null;
    this.emit("scalix-feedback", { request_id, rating });
    if (request_id !== null) await this.service?.rate(request_id, rating).catch(() => undefined);
    if (rating === -1) this.#prompting.rated(rated);
  }

  #trimDraft(): void {
    const said = carried(this.exchanges);
    const { draft, dropped } = trim(this.draft, said, this.now, this.#bounds);
    const gone = new Set<unknown>(said.slice(0, dropped));
    this.draft = draft;
    this.exchanges = this.exchanges.map((one) => (gone.has(one) ? { ...one, dropped: true } : one));
  }

  get #bounds(): Bounds {
    return { promptChars: this.maxPromptChars, contextTokens: this.contextTokens };
  }

  readonly #network = (): void => {
    this.online = navigator.onLine;
  };

  readonly #keys = (event: KeyboardEvent): void => {
    press(event, {
      busy: this.busy,
      hasSingleKeys: this.chosen.shortcuts,
      renderRoot: this.renderRoot,
      stop: () => this.stop(),
      copyArticle: (name) => {
        const exchange = this.exchanges.find(({ id }) => name.startsWith(id));
        if (exchange === undefined) return;
        void this.#copying.message(name.endsWith("question") ? exchange.question : exchange.answer, exchange.id);
      },
    });
  };

  #shorten(): void {
    this.#limited.lift();
    this.#trimDraft();
    void this.updateComplete.then(() => this.renderRoot.querySelector("textarea")?.focus());
  }

  #choose(name: keyof Settings): void {
    this.chosen = { ...this.chosen, [name]: !this.chosen[name] };
    keepSettings(this.chosen);
  }

  // ── Showing ───────────────────────────────────────────────────────────────────────────────

  protected override willUpdate(changes: PropertyValues): void {
    super.willUpdate(changes);
    if (this.now === null || !(changes.has("fetched") || changes.has("data"))) return;
    if (this.#limited.see(this.now)) this.#stopAt(null, "");
  }

  protected override updated(changes: PropertyValues): void {
    super.updated(changes);
    const [exchanges, prompt, limit] = this.#shown;
    this.#shown = [this.exchanges, this.#prompting.shown, this.#limited.limit];
    const isNew = exchanges !== this.exchanges || prompt !== this.#prompting.shown || limit !== this.#limited.limit;
    if (isNew && this.exchanges.length > 0) this.#following.grown();
    if (limit === null && this.#limited.limit !== null) this.#keepFocus();
    this.#prompting.seeNear(this.now, this.#isFree);
  }

  /** The card took the composer's place, and whoever was in there goes along. */
  #keepFocus(): void {
    const isLost = this.renderRoot instanceof ShadowRoot && this.renderRoot.activeElement === null;
    if (isLost && document.activeElement === this) this.renderRoot.querySelector<HTMLElement>(".limit h3")?.focus();
  }

  /** Whether there is room for a sale beside the limits. */
  get #isFree(): boolean {
    return !this.busy && !this.#limited.isShown;
  }

  protected override render(): TemplateResult {
    const { exchanges } = this;
    const { isShown } = this.#limited;
    return html`
      <div class="chat" part="chat" @click=${(event: Event) => void this.#copying.code(event)}>
        <div class="log" role="log" aria-live="off" aria-label="Conversation" part="log">
          ${exchanges.map((exchange, index) => [
            exchanges[index - 1]?.dropped && !exchange.dropped
              ? html`<p class="divider">What stands above is not sent along any more.</p>`
              : nothing,
            this.#exchange(exchange),
          ])}
        </div>
        <div class="end"></div>
        <div class="dock ${isShown ? "limited" : ""}" part="dock">
          ${isShown ? this.#limitCard() : this.#composer()} ${this.#quota()}
        </div>
        <div class="spoken" aria-live="polite">${this.heard}</div>
        <div class="spoken" role="status">${this.said}</div>
      </div>
    `;
  }

  #exchange(exchange: Exchange): TemplateResult {
    return exchangeView({
      exchange,
      actions: this.#actions,
      busy: this.busy,
      copied: this.#copying.wordsOf(exchange.id),
      isStop: exchange === this.exchanges.at(-1),
      prompt: this.#promptCard(exchange),
    });
  }

  #promptCard(exchange: Exchange): TemplateResult | typeof nothing {
    const { shown } = this.#prompting;
    if (shown?.id !== exchange.id) return nothing;
    return promptCard({
      prompt: shown,
      exchange,
      offer: this.offer,
      now: this.now,
      busy: this.busy,
      again: () => void this.#again(exchange),
      upgrade: () => this.upgrade(shown.trigger, messageIdOf(shown.trigger)),
      dismiss: () => this.#prompting.dismiss(),
    });
  }

  #limitCard(): TemplateResult {
    const { limit, held, mail } = this.#limited;
    return limitCard({
      limit: limit ?? { error: null, resetAt: new Date(held?.atMs ?? 0).toISOString() },
      draft: this.draft,
      held,
      offer: this.offer,
      tokensLeft: this.now?.tokens?.remaining ?? null,
      uplift: this.service !== null && this.now?.tier === "anonymous" ? (this.uplift ?? 0) : null,
      mail,
      write: (text) => (this.draft = text),
      hold: () => {
        if (this.#limited.hold(this.draft)) this.draft = "";
      },
      release: () => (this.draft = this.#limited.release()),
      shorten: () => this.#shorten(),
      upgrade: () => this.upgrade("AT_LIMIT", "chat-limit"),
      register: (email) => void this.#limited.register(this.service, email),
    });
  }

  #composer(): TemplateResult {
    return composer({
      draft: this.draft,
      placeholder: this.placeholder,
      preview: preview(this.draft, carried(this.exchanges), this.now, this.#bounds),
      busy: this.busy,
      samples: this.exchanges.length === 0 ? this.samples : [],
      write: (text) => (this.draft = text),
      send: (text) => void this.send(text),
      stop: () => this.stop(),
      trim: () => this.#trimDraft(),
    });
  }

  #quota(): TemplateResult {
    return quotaStrip({
      now: this.now,
      online: this.online,
      sells: this.#prompting.sellsNear(this.now, this.#isFree),
      chosen: this.chosen,
      canClear: !this.busy && this.exchanges.length > 0,
      upgrade: () => this.upgrade("NEAR_LIMIT", NEAR_ID),
      dismiss: () => this.#prompting.dismissNear(),
      choose: (name) => this.#choose(name),
      clear: () => this.clear(),
    });
  }
}

/** Also where the page is not trusted enough for `crypto.randomUUID`. */
function unique(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `turn-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
