// <scalix-usage>: "Your Free Usage", with the caller's own limits.

import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { bars } from "./bars";
import { moment } from "./element";
import type { Service } from "./service";
import type { Receipt, UsageReport, Window } from "./shapes";
import { triggerOf } from "./remaining";
import { levelOf, share, usageLog } from "./standing";
import type { Standing } from "./standing";
import { base } from "./styles";
import { WatchingElement } from "./watching";
import { clock, count, ofLimit, plural, seconds, title, wait } from "./words";

const DAYS = 14;
const MESSAGE = "usage-dashboard";

export class ScalixUsage extends WatchingElement {
  static override styles = [
    base,
    css`
      h3 { font-size: 1.25rem; }
      h4 { margin: 1.5rem 0 0.5rem; font-size: 1rem; }
      .usage-dashboard { display: grid; gap: 1rem; }
      .usage-stats { display: grid; gap: 0.75rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 9.5rem), 1fr)); }
      .stat { display: grid; gap: 0.25rem; align-content: start; padding: 0.875rem; border-radius: var(--_radius); background: var(--_inset); }
      .label { color: var(--_muted); font-size: 0.875rem; }
      .value { font-size: 1.375rem; font-weight: 650; font-variant-numeric: tabular-nums; }
      .amber .value { color: var(--_amber); }
      .red .value { color: var(--_red); }
      .detail { color: var(--_muted); font-size: 0.875rem; }
      .bars { display: block; width: 100%; height: 5rem; }
      .bars rect { fill: var(--_accent); }
      summary { min-height: 1.75rem; padding: 0.25rem 0; cursor: pointer; color: var(--_muted); font-size: 0.875rem; }
      .scroll { overflow-x: auto; }
      table { width: 100%; border-collapse: collapse; font-size: 0.875rem; }
      th, td { padding: 0.375rem 0.75rem 0.375rem 0; border-top: 1px solid var(--_line); text-align: start; font-variant-numeric: tabular-nums; }
      thead th { border-top: 0; color: var(--_muted); font-weight: 500; white-space: nowrap; }
      tbody th { font-weight: 400; }
      @media (max-width: 34rem) {
        .receipts thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
        .receipts tr { display: grid; grid-template-columns: 7rem 1fr; padding: 0.5rem 0; border-top: 1px solid var(--_line); }
        .receipts th, .receipts td { grid-column: 2; padding: 0.125rem 0; border: 0; overflow-wrap: anywhere; }
        .receipts [data-label]::before { content: attr(data-label); margin-inline-start: -7rem; display: inline-block; width: 7rem; color: var(--_muted); }
      }
      @media print {
        summary { display: none; }
        details::details-content { content-visibility: visible; block-size: auto; }
        .scroll { overflow: visible; }
      }
      @media (forced-colors: active) { .stat { border: 1px solid CanvasText; } .bars rect { fill: CanvasText; } }
    `,
  ];

  protected override load(service: Service): Promise<UsageReport> {
    return service.usage(DAYS);
  }

  /** Limits are exact at once; receipts are written down within a second or two. */
  protected override isLate(): boolean {
    return true;
  }

  protected override render(): TemplateResult {
    const { now } = this;
    if (now === null) return this.fallback();
    const log = usageLog(this.data ?? this.fetched);
    return html`
      <section class="usage-dashboard card" part="dashboard" aria-labelledby="title">
        <h3 id="title">Your Free Usage</h3>
        <div class="usage-stats" part="stats">
          ${stat("Requests Today", now.day)} ${stat("Tokens Used", now.tokens)} ${reset(now)}
          ${now.windows.filter(isOther).map((window) => stat(title(window), window))}
        </div>
        ${log === null || log.days.length === 0
          ? nothing
          : html`<div part="history"><h4>The last ${log.days.length} days</h4>${bars(log.days)}</div>`}
        ${log === null ? nothing : log.shared ? shared() : receipts(log.receipts)}
        ${now.tier === "pro"
          ? nothing
          : html`<div>
              <button type="button" class="upgrade-button ${now.near || now.empty ? "primary" : ""}" part="upgrade"
                @click=${() => this.upgrade(triggerOf(now), MESSAGE)}>
                Upgrade to Unlimited Usage
              </button>
            </div>`}
      </section>
      <span class="spoken" role="status">${this.said}</span>
    `;
  }
}

function isOther({ name }: Window): boolean {
  return name !== "requests_day" && name !== "tokens_day";
}

function stat(label: string, window: Window | null): TemplateResult | typeof nothing {
  if (window === null) return nothing;
  const level = window.unit === "calls" ? "ok" : levelOf(share(window));
  const { limit, used } = window;
  return html`<div class="stat ${level}" part="stat">
    <span class="label">${label}</span>
    <span class="value">${ofLimit(window)}</span>
    ${limit === null
      ? nothing
      : html`<progress class=${level} max=${Math.max(1, limit)} value=${Math.min(used, limit)}
          aria-label="${label}: ${count(used)} of ${count(limit)} used"></progress>`}
    ${detail(window)}
  </div>`;
}

function detail({ remaining, limit, resets_at, unit }: Window): TemplateResult | typeof nothing {
  if (limit === null) return nothing;
  const now = new Date();
  const again = resets_at === null || unit === "calls" ? "" : `, more ${wait(resets_at, now)}`;
  return html`<span class="detail">${count(remaining ?? 0)} left${again}</span>`;
}

function reset({ resetAt }: Standing): TemplateResult {
  const now = new Date();
  return html`<div class="stat" part="stat">
    <span class="label">Reset Time</span>
    <span class="value">${resetAt === null ? "N/A" : moment(resetAt, clock(resetAt, now))}</span>
    ${resetAt === null
      ? nothing
      : html`<span class="detail">${wait(resetAt, now)}, ${resetAt.slice(11, 16)} UTC</span>`}
  </div>`;
}

function shared(): TemplateResult {
  return html`<p class="muted" part="shared">
    These are the sums of your network address, which neighbours may share; so there are no receipts.
  </p>`;
}

function receipts(rows: Receipt[]): TemplateResult {
  if (rows.length === 0) return html`<p class="muted">No receipts yet: each request leaves one here, a moment after it.</p>`;
  const now = new Date();
  return html`<div class="receipts" part="receipts">
    <h4>${rows.length === 1 ? "The last request" : `The last ${rows.length} requests`}</h4>
    <div class="scroll" role="region" aria-label="Receipts" tabindex="0">
      <table>
        <thead>
          <tr><th scope="col">When</th><th scope="col">Model</th><th scope="col">Outcome</th><th scope="col">Tokens</th><th scope="col">Charged</th><th scope="col">Time</th></tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) => html`<tr>
              <th scope="row" data-label="When">${moment(row.at, clock(row.at, now))}</th>
              <td data-label="Model">${row.model ?? "–"}</td>
              <td data-label="Outcome">${outcome(row)}</td>
              <td data-label="Tokens">${count((row.prompt_tokens ?? 0) + (row.completion_tokens ?? 0))}</td>
              <td data-label="Charged">${charged(row)}</td>
              <td data-label="Time">${row.total_ms === null ? "–" : seconds(row.total_ms)}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </div>`;
}

function outcome({ outcome, cache, attempts, code }: Receipt): string {
  if (code) return `${outcome}: ${code.replaceAll("_", " ")}`;
  const how = cache === "hit" ? ", from memory" : (attempts ?? 1) > 1 ? `, attempt ${attempts}` : "";
  return outcome + how;
}

function charged({ charged_requests, charged_tokens }: Receipt): string {
  const requests = charged_requests ?? 0;
  const tokens = charged_tokens ?? 0;
  if (requests === 0 && tokens === 0) return "not charged";
  return `${plural(requests, "request")}, ${plural(tokens, "token")}`;
}
