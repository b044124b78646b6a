// What stands in place of the composer while a limit is used up: when it returns, and three ways on.

import { html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { moment } from "../element";
import { titleOf } from "../prompts";
import type { Offer, ServiceError } from "../shapes";
import { clock, count, sentence, wait } from "../words";
import type { Held } from "./held";

/** A limit that is used up; without an error it was seen, and nothing was refused. */
export interface Limit {
  error: ServiceError | null;
  resetAt: string | null;
}

/** What became of an address: nothing yet, a link was sent, or why not. */
export type Mail = "none" | "sent" | { refused: string };

export interface LimitCard {
  limit: Limit;
  draft: string;
  held: Held | null;
  offer: Offer | null;
  tokensLeft: number | null;
  /** Requests a day with an e-mail address; 0 where the number is not known, null where none helps. */
  uplift: number | null;
  mail: Mail;
  write: (text: string) => void;
  hold: () => void;
  release: () => void;
  shorten: () => void;
  upgrade: () => void;
  register: (email: string) => void;
}

export function limitCard(card: LimitCard): TemplateResult {
  return html`<section class="card limit" part="limit" aria-labelledby="limit-title">
    <h3 id="limit-title" tabindex="-1">${titleOf("AT_LIMIT", card.offer)}</h3>
    <p>${words(card)}</p>
    ${card.held === null ? kept(card) : waiting(card, card.held)}
    <div class="row">
      <button type="button" class="primary" part="upgrade" @click=${card.upgrade}>
        ${card.offer?.call_to_action ?? "Upgrade to Pro"}
      </button>
      ${canBeShortened(card)
        ? html`<button type="button" @click=${card.shorten}>Trim to fit what is left</button>`
        : nothing}
    </div>
    ${card.uplift === null ? nothing : mail(card, card.uplift)}
  </section>`;
}

function words({ limit, offer }: LimitCard): TemplateResult {
  const { resetAt } = limit;
  const now = new Date();
  const back =
    resetAt === null
      ? nothing
      : html`Free requests return at <strong>${moment(resetAt, clock(resetAt, now))}</strong>, ${wait(resetAt, now)}.`;
  return html`${offer === null ? nothing : sentence(offer.message)} ${back} Answers that you have stay where they are.`;
}

function canBeShortened({ limit, tokensLeft }: LimitCard): boolean {
  return limit.error?.code === "free_tier_token_limit" && (tokensLeft ?? 0) > 200;
}

function kept({ draft, limit, hold, write }: LimitCard): TemplateResult {
  return html`<form class="composer" @submit=${(event: Event) => {
    event.preventDefault();
    hold();
  }}>
    <label class="spoken" for="later">Your message, for later</label>
    <textarea id="later" rows="2" .value=${draft} placeholder="Write it now; it is sent when the limit resets"
      @input=${(event: Event) => write((event.target as HTMLTextAreaElement).value)}></textarea>
    <div class="row">
      <span class="hint grow">It is kept in this browser alone.</span>
      <button ?disabled=${draft.trim() === "" || limit.resetAt === null} part="hold">Send when it resets</button>
    </div>
  </form>`;
}

function waiting({ release }: LimitCard, { text, atMs }: Held): TemplateResult {
  const iso = new Date(atMs).toISOString();
  const now = new Date();
  return html`<div class="notice">
    <p>This will be sent at ${moment(iso, clock(iso, now))}, ${wait(iso, now)}, if this page is open:</p>
    <p class="held">${text}</p>
    <div class="row"><button type="button" @click=${release}>Do not send it</button></div>
  </div>`;
}

function mail({ mail, register }: LimitCard, uplift: number): TemplateResult {
  if (mail === "sent") return html`<p role="status">Look into your mailbox: the link there gives you a key, which has more.</p>`;
  const more = uplift > 0 ? `${count(uplift)} requests a day` : "more requests a day";
  return html`<form class="row" part="uplift" @submit=${(event: Event) => {
    event.preventDefault();
    const field = (event.target as HTMLFormElement).elements.namedItem("email") as HTMLInputElement;
    register(field.value);
  }}>
    <label class="hint" for="email">Add your e-mail and get ${more}, free:</label>
    <span class="grow"><input type="email" name="email" id="email" required autocomplete="email" placeholder="you@example.org" /></span>
    <button>Send me a link</button>
    ${mail === "none" ? nothing : html`<span class="over" role="status">${mail.refused}</span>`}
  </form>`;
}
