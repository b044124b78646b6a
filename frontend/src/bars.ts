// The last days as bars: a picture in SVG, and the same as a table for those who do not see it.

import { html, svg } from "lit";
import type { TemplateResult } from "lit";
import type { Day } from "./shapes";
import { count, plural } from "./words";

const WIDTH = 20;
const GAP = 4;
const HEIGHT = 80;

export function bars(days: Day[]): TemplateResult {
  const most = Math.max(1, ...days.map((day) => day.requests));
  const width = days.length * (WIDTH + GAP) - GAP;
  return html`
    <svg class="bars" part="bars" viewBox="0 0 ${Math.max(1, width)} ${HEIGHT}" preserveAspectRatio="none" role="img"
      aria-label="Requests of the last ${days.length} days; the table below has the numbers">
      ${days.map((day, index) => {
        const height = day.requests === 0 ? 1 : Math.max(2, (day.requests / most) * HEIGHT);
        return svg`<rect x=${index * (WIDTH + GAP)} y=${HEIGHT - height} width=${WIDTH} height=${height}>
          <title>${day.date}: ${plural(day.requests, "request")}</title></rect>`;
      })}
    </svg>
    <details>
      <summary>As a table</summary>
      <table>
        <thead><tr><th scope="col">Day (UTC)</th><th scope="col">Requests</th><th scope="col">Tokens</th></tr></thead>
        <tbody>
          ${days.map(
            (day) => html`<tr>
              <th scope="row">${day.date}</th>
              <td>${count(day.requests)}</td>
              <td>${count(day.tokens)}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </details>
  `;
}
