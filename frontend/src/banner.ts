// <scalix-banner>: one line that says what is left.

import { css, html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { moment } from "./element";
import { keep, recall } from "./kept";
import type { Standing } from "./standing";
import { base } from "./styles";
import { WatchingElement } from "./watching";
import { clock, left } from "./words";

const WEEK_MS = 7 * 86_400_000;
const MESSAGE = "banner-near-limit";

export class ScalixBanner extends WatchingElement {
  static override styles = [
    base,
    css`
      .banner {
        display: flex;
        flex-wrap: wrap;
        gap: 0.5rem 1rem;
        align-items: center;
        justify-content: space-between;
        padding: 0.625rem 1rem;
        border: 1px solid var(--_line);
        border-inline-start: 0.25rem solid var(--_accent);
        border-radius: var(--_radius);
        background: var(--_surface);
      }
      .banner.amber { border-inline-start-color: var(--_amber); }
      .banner.red { border-inline-start-color: var(--_red); }
      .free-tier-info { display: flex; flex-wrap: wrap; gap: 0.125rem 0.875rem; align-items: baseline; }
      .tier { font-weight: 600; }
      .amber .remaining { color: var(--_amber); }
      .red .remaining { color: var(--_red); }
      .actions { display: flex; gap: 0.5rem; }
      button { min-height: 2.25rem; padding: 0.25rem 0.875rem; }
      @media (pointer: coarse) { button { min-height: 2.75rem; } }
    `,
  ];

  #shown: string | null = null;

  protected override render(): TemplateResult {
    const { now } = this;
    if (now === null) return this.fallback();
    const warns = now.near || now.empty;
    return html`
      <div class="banner ${warns ? "warning" : "info"} ${now.level}" part="banner">
        <div class="free-tier-info">
          <span class="tier" part="tier">${tierOf(now)}</span>
          <span class="remaining" part="remaining">${remaining(now)}</span>
          ${tighter(now)}
        </div>
        ${warns && !isDismissed() ? this.#sale(now) : nothing}
      </div>
      <span class="spoken" role="status">${this.said}</span>
    `;
  }

  #sale(now: Standing): TemplateResult {
    const style = now.empty ? "upgrade-button primary" : "upgrade-button";
    return html`<div class="actions">
      <button type="button" class=${style} part="upgrade" @click=${this.#upgrade}>Upgrade to Pro</button>
      ${now.empty
        ? nothing
        : html`<button type="button" class="quiet" part="dismiss" @click=${this.#dismiss}>Not now</button>`}
    </div>`;
  }

  protected override updated(changes: PropertyValues): void {
    super.updated(changes);
    const { now } = this;
    if (now === null || !(now.near || now.empty) || isDismissed()) return;
    const trigger = triggerOf(now);
    if (this.#shown === trigger) return;
    this.#shown = trigger;
    this.record({ trigger, action: "impression", message_id: MESSAGE });
  }

  readonly #upgrade = (): void => {
    this.upgrade(this.now === null ? null : triggerOf(this.now), MESSAGE);
  };

  readonly #dismiss = (): void => {
    keep("banner-dismissed", String(Date.now()));
    const trigger = this.now === null ? "NEAR_LIMIT" : triggerOf(this.now);
    this.record({ trigger, action: "dismissal", message_id: MESSAGE });
    this.emit("scalix-dismiss", { trigger, message_id: MESSAGE });
    this.requestUpdate();
  };
}

function triggerOf(now: Standing): "NEAR_LIMIT" | "AT_LIMIT" {
  return now.empty ? "AT_LIMIT" : "NEAR_LIMIT";
}

/** A week long the count stays and the sale does not. */
function isDismissed(): boolean {
  const at = Number(recall("banner-dismissed") ?? Number.NaN);
  return Date.now() - at < WEEK_MS;
}

function tierOf(now: Standing): string {
  return now.tier === "pro" ? "Pro" : "🚀 Free Tier";
}

function remaining(now: Standing): string {
  if (now.remaining === null) return "Requests: Included";
  return `${now.remaining} ${now.remaining === 1 ? "request" : "requests"} remaining today`;
}

function tighter(now: Standing): TemplateResult | typeof nothing {
  const window = now.tighter ?? (now.empty || now.near ? now.day : null);
  if (window === null) return nothing;
  const { resets_at } = window;
  const again = resets_at === null ? nothing : html`next at ${moment(resets_at, clock(resets_at, new Date()))}`;
  if (now.tighter === null) return html`<span class="muted" part="window">${again}</span>`;
  const more = resets_at === null ? nothing : html`, ${again}`;
  return html`<span class="muted" part="window">${left(window)}${more}</span>`;
}
