// The line below the composer: what is left, the way to more, and how somebody wants the chat to be.

import { html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { remaining, tighter } from "../remaining";
import type { Standing } from "../standing";
import { CHOICES, KEYS } from "./settings";
import type { Settings } from "./settings";

export interface QuotaStrip {
  now: Standing | null;
  online: boolean;
  /** Whether Pro is spoken of. */
  sells: boolean;
  chosen: Settings;
  canClear: boolean;
  upgrade: () => void;
  dismiss: () => void;
  choose: (name: keyof Settings) => void;
  clear: () => void;
}

export function quotaStrip(strip: QuotaStrip): TemplateResult {
  return html`<div class="quota ${strip.now?.level ?? ""}" part="quota">
    ${level(strip)}
    ${strip.sells
      ? html`<span class="row">
          <button type="button" @click=${strip.upgrade}>Upgrade to Pro</button>
          <button type="button" class="quiet" @click=${strip.dismiss}>Not now</button>
        </span>`
      : nothing}
    ${panel(strip)}
  </div>`;
}

function level({ now, online }: QuotaStrip): TemplateResult {
  const sign = html`<span aria-hidden="true">⚠</span>`;
  if (!online) return html`<span class="level">${sign} You are offline. What you type stays here.</span>`;
  if (now === null) return html`<span></span>`;
  return html`<span class="level">${now.level === "ok" ? nothing : sign} ${remaining(now)} ${tighter(now)}</span>`;
}

function panel({ chosen, canClear, choose, clear }: QuotaStrip): TemplateResult {
  return html`<details class="settings">
    <summary>Settings</summary>
    <div class="panel">
      ${CHOICES.map(
        ({ name, words }) => html`<label class="check">
          <input type="checkbox" .checked=${chosen[name]} @change=${() => choose(name)} />
          <span>${words}</span>
        </label>`,
      )}
      <dl class="keys">${KEYS.map(([keys, does]) => html`<dt><kbd>${keys}</kbd></dt><dd>${does}</dd>`)}</dl>
      <button type="button" ?disabled=${!canClear} @click=${clear}>Clear the conversation</button>
    </div>
  </details>`;
}
