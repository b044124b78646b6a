// One question with its answer, in each of its states.

import { html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { isOpen, isTooLong, letsDown, receiptWords } from "./conversation";
import type { Exchange } from "./conversation";
import { fragment } from "./markdown";

/** What can be done about an exchange. */
export interface Actions {
  again(exchange: Exchange): void;
  proceed(exchange: Exchange): void;
  rate(exchange: Exchange, rating: -1 | 1): void;
  copy(exchange: Exchange): void;
  trim(exchange: Exchange): void;
}

export interface Shown {
  exchange: Exchange;
  actions: Actions;
  /** Whether another answer is being written: then none can be asked for. */
  busy: boolean;
  /** What became of copying it. */
  copied: string | null;
  /** The one message that Tab reaches; arrows lead to the others. */
  isStop: boolean;
  prompt: TemplateResult | typeof nothing;
}

const rendered = new WeakMap<Exchange, Element>();

/** Made once for each value: what is in the page already stays there, and can come back into it. */
function text(exchange: Exchange): Element {
  const known = rendered.get(exchange);
  if (known !== undefined) return known;
  const made = document.createElement("div");
  made.className = exchange.state === "streaming" ? "text cursor" : "text";
  made.append(fragment(exchange.answer));
  rendered.set(exchange, made);
  return made;
}

export function exchangeView({ exchange, actions, busy, copied, isStop, prompt }: Shown): TemplateResult {
  const { id, question, answer } = exchange;
  const open = isOpen(exchange);
  return html`
    <article class="question" tabindex="-1" data-id="${id}-question" part="question" aria-labelledby="${id}-you">
      <span class="author" id="${id}-you">You</span>
      <div class="said">${question}</div>
    </article>
    <article class="answer" tabindex=${isStop ? 0 : -1} data-id="${id}-answer" part="answer" aria-labelledby="${id}-scalix" aria-busy=${open}>
      <span class="author" id="${id}-scalix">Scalix</span>
      ${answer === "" ? nothing : text(exchange)}
      ${stateOf(exchange, actions, busy)} ${open ? nothing : under(exchange, actions, busy, copied)} ${prompt}
    </article>
  `;
}

function stateOf(exchange: Exchange, actions: Actions, busy: boolean): TemplateResult | typeof nothing {
  const { state, place, waitS, error, answer } = exchange;
  switch (state) {
    case "waiting":
      return html`<div class="state" part="state">${dots()} Looking for the best free model</div>`;
    case "queued":
      return html`<div class="state" part="state">
        ${dots()} Number ${place} in the queue, about ${waitS} s. You are charged nothing while you wait.
      </div>`;
    case "failed":
      return html`<div class="notice bad" part="state">
        <p><strong>${isTooLong(error ?? { message: "", code: null }) ? "This is too long." : "No answer this time."}</strong> ${error?.message}</p>
        <div class="row">${remedy(exchange, actions, busy)}</div>
      </div>`;
    case "cut":
      return html`<div class="notice" part="state">
        <p><strong>The answer broke off.</strong> ${error?.message}</p>
        <div class="row">
          ${answer === "" ? nothing : html`<button type="button" ?disabled=${busy} @click=${() => actions.proceed(exchange)}>Continue from here</button>`}
          <button type="button" ?disabled=${busy} @click=${() => actions.again(exchange)}>Ask again</button>
        </div>
      </div>`;
    case "stopped":
      return html`<div class="state" part="state">Stopped.</div>`;
    default:
      return nothing;
  }
}

function remedy(exchange: Exchange, actions: Actions, busy: boolean): TemplateResult {
  return isTooLong(exchange.error ?? { message: "", code: null })
    ? html`<button type="button" ?disabled=${busy} @click=${() => actions.trim(exchange)}>Trim to fit</button>`
    : html`<button type="button" ?disabled=${busy} @click=${() => actions.again(exchange)}>Try again</button>`;
}

function dots(): TemplateResult {
  return html`<span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>`;
}

function under(exchange: Exchange, actions: Actions, busy: boolean, copied: string | null): TemplateResult {
  const words = receiptWords(exchange);
  const { rating, state, answer } = exchange;
  const rate = (value: -1 | 1, sign: string, name: string): TemplateResult =>
    html`<button type="button" aria-label=${name} title=${name} aria-pressed=${rating === value} ?disabled=${rating !== null}
      @click=${() => actions.rate(exchange, value)}>${sign}</button>`;
  return html`<div class="under">
    ${answer === ""
      ? nothing
      : html`<div class="tools" part="tools">
          <button type="button" @click=${() => actions.copy(exchange)}>${copied ?? "Copy"}</button>
          ${state === "failed" || state === "cut"
            ? nothing
            : html`<button type="button" ?disabled=${busy} @click=${() => actions.again(exchange)}>Another answer</button>`}
          ${state === "done" ? [rate(1, "👍", "Good answer"), rate(-1, "👎", "Bad answer")] : nothing}
        </div>`}
    ${words.length === 0
      ? nothing
      : html`<ul class="receipt" part="receipt" aria-label="Receipt">${words.map((word) => html`<li>${word}</li>`)}</ul>`}
    ${state === "stopped" && answer === ""
      ? html`<div class="tools"><button type="button" ?disabled=${busy} @click=${() => actions.again(exchange)}>Ask again</button></div>`
      : nothing}
  </div>`;
}

const WHY = {
  rated: "Thank you for telling us. Another free model may do better; Pro has the strongest ones.",
  again: "The free models did not get this right twice. Another one may; Pro has the strongest ones.",
  fallback: "The best free models were busy, so a weaker one answered. Pro goes to the strongest ones first.",
};

/** Why quality is spoken of, without dressing it up. */
export function whyQuality(exchange: Exchange): string {
  return WHY[letsDown(exchange) ?? "again"];
}
