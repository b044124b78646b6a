// The card under an answer: a welcome, or what can be done about an answer that was no good.

import { html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { titleOf } from "../prompts";
import type { Offer } from "../shapes";
import type { Standing } from "../standing";
import { clock, count } from "../words";
import type { Exchange } from "./conversation";
import { whyQuality } from "./exchange-view";
import type { Prompt } from "./prompting";

export interface PromptCard {
  prompt: Prompt;
  exchange: Exchange;
  offer: Offer | null;
  now: Standing | null;
  busy: boolean;
  again: () => void;
  upgrade: () => void;
  dismiss: () => void;
}

export function promptCard(card: PromptCard): TemplateResult {
  return card.prompt.trigger === "FIRST_REQUEST" ? welcome(card) : quality(card);
}

function welcome({ offer, now, dismiss }: PromptCard): TemplateResult {
  return html`<aside class="card prompt" part="prompt" aria-label="Welcome">
    <h3>${titleOf("FIRST_REQUEST", offer)}</h3>
    <p>${limits(now)}</p>
    <button type="button" @click=${dismiss}>Got it</button>
  </aside>`;
}

function limits(now: Standing | null): string {
  if (now === null || now.day === null || now.day.limit === null) return "You are in: no key, no account.";
  const { limit, resets_at } = now.day;
  const again = resets_at === null ? "" : ` The first one comes back at ${clock(resets_at, new Date())}.`;
  return `You have ${count(limit)} free requests a day, without a key or an account.${again}`;
}

function quality({ exchange, offer, busy, again, upgrade, dismiss }: PromptCard): TemplateResult {
  return html`<aside class="card prompt" part="prompt" aria-label="About this answer">
    <h3>${titleOf("QUALITY_ISSUE", offer)}</h3>
    <p>${whyQuality(exchange)}</p>
    ${offer === null ? nothing : html`<p>${offer.message}</p>`}
    <div class="row">
      <button type="button" ?disabled=${busy} @click=${again}>Try another free model</button>
      <button type="button" @click=${upgrade}>${offer?.call_to_action ?? "Upgrade for Better AI"}</button>
      <button type="button" class="quiet" @click=${dismiss}>Not now</button>
    </div>
  </aside>`;
}
