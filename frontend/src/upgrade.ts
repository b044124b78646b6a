// <scalix-upgrade>: one prompt, for one of the four occasions, with the caller's own offer.

import { css, html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { ScalixElement } from "./element";
import { SCENARIOS, TITLES, dismissed, may, remember, remembered, titleOf } from "./prompts";
import type { Trigger } from "./prompts";
import type { Offer } from "./shapes";
import { offerOf } from "./standing";
import { base } from "./styles";
import { isReduced, priceWords } from "./price";

export class ScalixUpgrade extends ScalixElement {
  static override properties = {
    ...ScalixElement.properties,
    trigger: { reflect: true },
    fetched: { state: true },
    gone: { state: true },
  };

  static override styles = [
    base,
    css`
      .prompt { display: grid; gap: 0.625rem; justify-items: start; }
      h3 { font-size: 1.125rem; }
      .price { font-variant-numeric: tabular-nums; }
      .row { display: flex; flex-wrap: wrap; gap: 0.5rem; }
      .notice { color: var(--_muted); font-size: var(--_small); }
    `,
  ];

  /** FIRST_REQUEST, NEAR_LIMIT, AT_LIMIT or QUALITY_ISSUE; the offer's own where it is left out. */
  declare trigger: Trigger | null;
  declare protected fetched: Offer | null;
  declare protected gone: boolean;
  #counted: Trigger | null = null;
  #asked = 0;

  constructor() {
    super();
    this.trigger = null;
    this.fetched = null;
    this.gone = false;
  }

  protected override willUpdate(changes: PropertyValues): void {
    const asks = changes.has("baseUrl") || changes.has("token") || changes.has("trigger");
    if (asks && this.data === null) void this.#load();
    if (changes.has("trigger")) this.gone = false; // who sent one away has not seen the next
  }

  async #load(): Promise<void> {
    const { trigger } = this;
    const wished = trigger === null ? {} : { trigger: SCENARIOS[trigger] };
    const asked = ++this.#asked;
    const found = (await this.service?.offer("month", wished).catch(() => null)) ?? null;
    if (asked === this.#asked) this.fetched = found;
  }

  get #occasion(): Trigger | null {
    const { trigger } = this.#offer ?? {};
    return this.trigger ?? (trigger !== undefined && trigger !== null && trigger in TITLES ? (trigger as Trigger) : null);
  }

  get #offer(): Offer | null {
    return offerOf(this.data) ?? this.fetched;
  }

  get #messageId(): string {
    return this.#offer?.message_id ?? `upgrade-${(this.#occasion ?? "none").toLowerCase()}`;
  }

  protected override updated(): void {
    const occasion = this.#occasion;
    if (this.gone || occasion === null || this.#counted === occasion || this.#offer === null) return;
    this.#counted = occasion;
    if (may({ trigger: occasion, nowMs: Date.now() })) {
      this.record({ trigger: occasion, action: "impression", message_id: this.#messageId });
    }
  }

  protected override render(): TemplateResult | typeof nothing {
    const offer = this.#offer;
    const occasion = this.#occasion;
    if (this.gone) return nothing;
    if (offer === null) return this.fallback();
    const sells = occasion !== "FIRST_REQUEST" && offer.call_to_action !== null;
    const title = occasion === null ? offer.message : titleOf(occasion, offer);
    return html`<section class="card prompt" part="prompt" aria-labelledby="title">
      <h3 id="title" part="title">${title}</h3>
      ${offer.message === title || !sells ? nothing : html`<p>${offer.message}</p>`}
      ${sells ? html`<p class="price" part="price">${priceWords(offer.monthly, offer.currency, "month")}</p>` : nothing}
      ${sells && isReduced(offer.monthly) && offer.notice !== null
        ? html`<p class="notice" part="notice">${offer.notice}</p>`
        : nothing}
      <div class="row">
        ${sells
          ? html`<button type="button" class="upgrade-button ${occasion === "AT_LIMIT" ? "primary" : ""}" part="upgrade"
              @click=${() => this.upgrade(occasion, this.#messageId)}>${offer.call_to_action}</button>`
          : nothing}
        <button type="button" class="quiet" part="dismiss" @click=${this.#dismiss}>${sells ? "Maybe later" : "Got it"}</button>
      </div>
    </section>`;
  }

  readonly #dismiss = (): void => {
    const trigger = this.#occasion;
    this.gone = true;
    if (trigger === "NEAR_LIMIT") remember(dismissed(remembered(), Date.now()));
    this.record({ trigger: trigger ?? "NONE", action: "dismiss", message_id: this.#messageId });
    this.emit("scalix-dismiss", { trigger, message_id: this.#messageId });
  };
}
