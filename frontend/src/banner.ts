// <scalix-banner>: one line that says what is left.

import { css, html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { dismissed, isDismissed, may, remember, remembered } from "./prompts";
import { remaining, tierOf, tighter, triggerOf } from "./remaining";
import { base } from "./styles";
import { WatchingElement } from "./watching";
import type { Standing } from "./standing";

const MESSAGE = "banner";

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
      button { min-height: 2.25rem; padding: 0.25rem 0.875rem; white-space: nowrap; }
      @media (pointer: coarse) { button { min-height: 2.75rem; } }
    `,
  ];

  protected override render(): TemplateResult {
    const { now } = this;
    if (now === null) return this.fallback();
    const trigger = triggerOf(now);
    return html`
      <div class="banner ${trigger === null ? "info" : "warning"} ${now.level}" part="banner">
        <div class="free-tier-info">
          <span class="tier" part="tier">${tierOf(now)}</span>
          <span class="remaining" part="remaining">${remaining(now)}</span>
          ${tighter(now)}
        </div>
        ${this.#sells(now) ? this.#sale(now) : nothing}
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

  /** At the limit the way out always stands there; before it, until it was sent away. */
  #sells(now: Standing): boolean {
    return now.empty || (now.near && !isDismissed(remembered(), Date.now()));
  }

  protected override updated(changes: PropertyValues): void {
    super.updated(changes);
    const { now } = this;
    const trigger = now === null ? null : triggerOf(now);
    if (trigger === this.#shown || now === null) return;
    this.#shown = trigger;
    if (trigger === null || !this.#sells(now)) return;
    const window = (now.tighter ?? now.day)?.name ?? "";
    const resetMs = now.resetAt === null ? 0 : Date.parse(now.resetAt);
    if (may({ trigger, nowMs: Date.now(), window, resetMs })) {
      this.record({ trigger, action: "impression", message_id: MESSAGE });
    }
  }

  #shown: string | null = null;

  readonly #upgrade = (): void => {
    this.upgrade(this.now === null ? null : triggerOf(this.now), MESSAGE);
  };

  readonly #dismiss = (): void => {
    remember(dismissed(remembered(), Date.now()));
    this.record({ trigger: "NEAR_LIMIT", action: "dismiss", message_id: MESSAGE });
    this.emit("scalix-dismiss", { trigger: "NEAR_LIMIT", message_id: MESSAGE });
    this.requestUpdate();
  };
}
