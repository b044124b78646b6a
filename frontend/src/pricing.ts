// <scalix-pricing>: free beside Pro, and why the price is what it is.

import { css, html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { ScalixElement } from "./element";
import { discountWords, isReduced, priceWords } from "./price";
import type { Interval } from "./price";
import { Refused } from "./service";
import type { Limits, Offer, Price } from "./shapes";
import { offerOf, standing } from "./standing";
import { base } from "./styles";
import { count, money } from "./words";

const MESSAGE = "pricing";
const TRIGGER = "PRICE_PAGE";
const UNAVAILABLE = "payments_unavailable";

type Buying = "no" | "busy" | "lead" | "sent" | { error: string };

/** Without the requests a day: those are the caller's own. */
const FEATURES: readonly (readonly [feature: string, free: string, pro: string])[] = [
  ["AI Models", "The free models", "All models + Scalix Engine"],
  ["Context Window", "32K tokens", "1M+ tokens"],
  ["Response Speed", "Standard", "Priority"],
  ["File Operations", "Basic", "Advanced (lazy edits)"],
  ["Support", "Community", "Priority"],
  ["API Access", "Limited", "Full"],
];

export class ScalixPricing extends ScalixElement {
  static override properties = {
    ...ScalixElement.properties,
    interval: { reflect: true },
    offer: { state: true },
    limits: { state: true },
    plain: { state: true },
    buying: { state: true },
  };

  static override styles = [
    base,
    css`
      .pricing { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1.25rem; }
      h3 { font-size: 1.25rem; }
      fieldset { display: flex; flex-wrap: wrap; gap: 0.25rem; margin: 0; padding: 0.25rem; border: 1px solid var(--_line); border-radius: 99rem; background: var(--_inset); justify-self: start; }
      fieldset label { display: flex; align-items: center; min-height: 2.25rem; padding: 0 1rem; border-radius: 99rem; cursor: pointer; }
      fieldset label:has(:checked) { background: var(--_surface); font-weight: 600; box-shadow: 0 0 0 1px var(--_edge); }
      fieldset label:has(:focus-visible) { outline: 3px solid var(--_accent); outline-offset: 2px; }
      fieldset input { position: absolute; opacity: 0; pointer-events: none; }
      .now { font-size: 2rem; font-weight: 700; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; line-height: 1.2; }
      .plain { justify-self: start; min-height: 2rem; padding: 0.125rem 0.75rem; font-size: var(--_small); font-weight: 400; }
      .why { display: grid; gap: 0.25rem; padding-inline-start: 1.25rem; list-style: disc; }
      .why-price { display: grid; gap: 0.375rem; }
      .scroll { overflow-x: auto; }
      table { width: 100%; border-collapse: collapse; }
      th, td { padding: 0.5rem 0.75rem; border-top: 1px solid var(--_line); text-align: start; }
      thead th, thead td { border-top: 0; }
      tbody th { font-weight: 500; padding-inline-start: 0; }
      th:last-child, td:last-child { background: var(--_accent-soft); }
      .offer { display: grid; gap: 1.25rem; }
      .buy { display: grid; gap: 0.75rem; justify-items: start; }
      form { display: grid; gap: 0.625rem; width: min(100%, 30rem); }
      input[type="email"] { width: 100%; min-height: var(--_target); padding: 0.5rem 0.75rem; border: 1px solid var(--_edge); border-radius: var(--_radius-small); background: var(--_surface); font-size: 1rem; }
      .check { display: flex; gap: 0.625rem; align-items: start; }
      .check input { flex: none; width: 1.25rem; height: 1.25rem; margin: 0.2rem 0 0; accent-color: var(--_accent); }
      .bad { color: var(--_red); }
      @media (max-width: 34rem) {
        thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
        tbody tr { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); padding-block: 0.5rem; border-top: 1px solid var(--_line); }
        tbody th, tbody td { padding: 0.25rem 0.5rem; border: 0; }
        tbody th { grid-column: 1 / -1; padding-inline: 0.5rem; }
        td::before { content: attr(data-label); display: block; color: var(--_muted); font-size: var(--_small); }
      }
      @media (forced-colors: active) { th:last-child, td:last-child { border-inline: 1px solid CanvasText; } }
      @media print { .buy, fieldset { display: none; } .scroll { overflow: visible; } }
    `,
  ];

  declare interval: Interval;
  declare protected offer: Offer | null;
  declare protected limits: Limits | null;
  /** Whether the price is wanted without anything personal. */
  declare protected plain: boolean;
  declare protected buying: Buying;

  constructor() {
    super();
    this.interval = "month";
    this.offer = null;
    this.limits = null;
    this.plain = false;
    this.buying = "no";
  }

  protected override willUpdate(changes: PropertyValues): void {
    const asks = changes.has("baseUrl") || changes.has("token") || changes.has("plain");
    if (asks && this.data === null) void this.#load();
  }

  async #load(): Promise<void> {
    const { service } = this;
    if (service === null) return;
    const asked = ++this.#asked;
    const [offer, limits] = await Promise.allSettled([service.offer(this.interval, { plain: this.plain }), service.limits()]);
    if (asked !== this.#asked) return; // somebody changed their mind meanwhile
    if (offer.status === "fulfilled") this.offer = offer.value;
    if (limits.status === "fulfilled") this.limits = limits.value;
  }

  protected override updated(): void {
    if (this.#counted || (offerOf(this.data) ?? this.offer) === null) return;
    this.#counted = true;
    this.record({ trigger: TRIGGER, action: "impression", message_id: MESSAGE });
  }

  #counted = false;
  #asked = 0;

  protected override render(): TemplateResult {
    const offer = offerOf(this.data) ?? this.offer;
    if (offer === null) return this.fallback();
    const price = this.interval === "year" ? offer.annual : offer.monthly;
    return html`<section class="pricing" part="pricing" aria-label="Prices">
      <fieldset part="interval">
        <legend class="spoken">How to pay</legend>
        ${this.#choice("month", "Monthly")} ${this.#choice("year", "Annual")}
      </fieldset>
      <div class="card offer" part="offer">
        ${this.#price(price, offer)}
        <div class="buy" part="buy">${this.#buy()}</div>
      </div>
      ${this.#matrix()}
    </section>`;
  }

  #choice(interval: Interval, words: string): TemplateResult {
    return html`<label>
      <input type="radio" name="interval" .checked=${this.interval === interval} @change=${() => (this.interval = interval)} />
      ${words}
    </label>`;
  }

  #price(price: Price, { currency, notice }: Offer): TemplateResult {
    return html`<div class="why-price" part="price" aria-live="polite">
      <h3>Pro</h3>
      <p class="now">${money(price.price, currency)}</p>
      <p>${priceWords(price, currency, this.interval)}</p>
      ${isReduced(price) || price.discounts.length > 0
        ? html`<h4 class="spoken">Why this price</h4>
            <ul class="why" part="why">
              <li>List price ${money(price.base, currency)}.</li>
              ${price.discounts.map((discount) => html`<li>${discountWords(discount)}</li>`)}
            </ul>`
        : nothing}
      ${notice === null ? nothing : html`<p class="muted" part="notice">${notice}</p>`}
      ${this.service !== null && (this.plain || notice !== null)
        ? html`<button type="button" class="plain" part="plain" @click=${() => (this.plain = !this.plain)}>
            ${this.plain ? "Show my own price" : "Use the plain price"}
          </button>`
        : nothing}
    </div>`;
  }

  #matrix(): TemplateResult {
    const now = standing(this.data ?? this.limits);
    const own = now?.tier === "pro" ? null : (now?.day?.limit ?? null);
    const rows = [["Requests/Day", own === null ? "Limited" : count(own), "Unlimited"] as const, ...FEATURES];
    return html`<div class="scroll" role="region" aria-label="Free beside Pro" tabindex="0">
      <table part="matrix">
        <thead><tr><td></td><th scope="col">Free Tier</th><th scope="col">Pro Tier</th></tr></thead>
        <tbody>
          ${rows.map(
            ([feature, free, pro]) => html`<tr><th scope="row">${feature}</th><td data-label="Free Tier">${free}</td><td data-label="Pro Tier">${pro}</td></tr>`,
          )}
        </tbody>
      </table>
    </div>`;
  }

  #buy(): TemplateResult {
    const { buying } = this;
    const closed = (offerOf(this.data) ?? this.offer)?.payments_available === false;
    if (buying === "sent") return html`<p role="status">Thank you. We will write to you, once, when Pro can be bought.</p>`;
    if (buying === "lead" || (closed && this.service !== null)) {
      return html`${this.#lead()} ${typeof buying === "object" ? html`<p class="bad" role="alert">${buying.error}</p>` : nothing}`;
    }
    return html`
      <button type="button" class="upgrade-button primary" part="upgrade" ?disabled=${buying === "busy"} @click=${this.#checkout}>
        Upgrade to Pro
      </button>
      ${typeof buying === "object" ? html`<p class="bad" role="alert">${buying.error}</p>` : nothing}
    `;
  }

  #lead(): TemplateResult {
    return html`<form part="lead" @submit=${this.#leave}>
      <p role="status">Pro cannot be bought here yet. Leave your address, and you will hear when it can.</p>
      <label for="email">E-mail</label>
      <input type="email" id="email" name="email" required autocomplete="email" />
      <label class="check"><input type="checkbox" name="consent" required /><span>You may write to me about Pro. I can take this back at any time.</span></label>
      <button class="primary">Tell me</button>
    </form>`;
  }

  readonly #checkout = async (): Promise<void> => {
    const { service, interval } = this;
    this.record({ trigger: TRIGGER, action: "click", message_id: MESSAGE });
    if (!this.emit("scalix-upgrade", { trigger: null, message_id: MESSAGE, interval })) return;
    if (service === null) return;
    this.buying = "busy";
    try {
      const { url } = await service.checkout("pro", interval);
      this.buying = "no";
      location.assign(url);
    } catch (error) {
      this.buying = wordsOf(error);
    }
  };

  readonly #leave = async (event: Event): Promise<void> => {
    event.preventDefault();
    const field = (event.target as HTMLFormElement).elements.namedItem("email") as HTMLInputElement;
    try {
      await this.service?.lead(field.value, MESSAGE);
      this.buying = "sent";
    } catch (error) {
      this.buying = wordsOf(error);
    }
  };
}

function wordsOf(error: unknown): Buying {
  if (!(error instanceof Refused)) return { error: "That did not work. Try again in a moment." };
  return error.error.code === UNAVAILABLE ? "lead" : { error: error.message };
}
