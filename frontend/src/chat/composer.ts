// Where a question is written: with what it will cost, and whether it fits.

import { html, nothing } from "lit";
import type { TemplateResult } from "lit";
import type { Preview } from "./estimate";

export interface Composer {
  draft: string;
  placeholder: string;
  preview: Preview;
  /** Whether an answer is being written. */
  busy: boolean;
  /** To begin with; none where a conversation is under way. */
  samples: readonly string[];
  write: (text: string) => void;
  send: (text?: string) => void;
  stop: () => void;
  trim: () => void;
}

export function composer(composing: Composer): TemplateResult {
  const { draft, placeholder, preview, busy, samples, write, send, stop, trim } = composing;
  const typed = draft.trim() !== "";
  const submit = (event: Event): void => {
    event.preventDefault();
    send();
  };
  const enter = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  };
  return html`
    ${samples.length === 0
      ? nothing
      : html`<div class="samples" part="samples" role="group" aria-label="Examples">
          ${samples.map((sample) => html`<button type="button" @click=${() => send(sample)}>${sample}</button>`)}
        </div>`}
    <form class="composer" part="composer" @submit=${submit}>
      <label class="spoken" for="draft">Your message</label>
      <textarea id="draft" rows="2" .value=${draft} placeholder=${placeholder} part="input"
        aria-describedby="cost" enterkeyhint="send" @keydown=${enter}
        @input=${(event: Event) => write((event.target as HTMLTextAreaElement).value)}></textarea>
      <div class="row">
        <span class="hint grow ${preview.fits ? "" : "over"}" id="cost" part="preview">
          ${typed ? (preview.fits ? preview.words : preview.reason) : nothing}
        </span>
        ${typed && !preview.fits ? html`<button type="button" @click=${trim}>Trim to fit</button>` : nothing}
        ${busy
          ? html`<button type="button" class="stop" part="stop" @click=${stop}>Stop</button>`
          : html`<button class="primary" part="send" ?disabled=${!typed}>Send</button>`}
      </div>
    </form>
  `;
}
