import { css } from "lit";

export const look = css`
  :host { --_chat-bg: var(--sx-bg, light-dark(#f7f8fc, #0e1020)); }
  .chat { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem; }
  .log { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1.25rem; }
  .log:empty { display: none; }
  article { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0.375rem; border-radius: var(--_radius-small); scroll-margin-block: 1rem 11rem; }
  .author { color: var(--_muted); font-size: var(--_small); font-weight: 600; }
  .question { justify-self: end; max-width: min(100%, 40rem); }
  .question .author { justify-self: end; }
  .question .said { padding: 0.7rem 1rem; border-radius: var(--_radius); background: var(--_accent-soft); white-space: pre-wrap; overflow-wrap: anywhere; }
  .answer { max-width: 50rem; }
  .text { overflow-wrap: anywhere; }
  .text > * + * { margin-block-start: 0.75em; }
  .text ul, .text ol { padding-inline-start: 1.5em; list-style: revert; }
  .text ol { margin-block-end: 0; }
  .text > :first-child { margin-block-start: 0; }
  .text blockquote { margin-inline: 0; margin-block-end: 0; padding-inline-start: 1em; border-inline-start: 3px solid var(--_line); color: var(--_muted); }
  .text h3, .text h4, .text h5, .text h6 { margin: 0; font-size: 1.05em; line-height: 1.3; }
  .text h3 { font-size: 1.2em; }
  .text code { font-family: var(--_mono); font-size: 0.9em; }
  .text :not(pre) > code { padding: 0.1em 0.35em; border-radius: 0.3em; background: var(--_inset); }
  .text table { border-collapse: collapse; }
  .text th, .text td { padding: 0.375rem 0.75rem; border: 1px solid var(--_line); text-align: start; }
  .scroll { overflow-x: auto; }
  .code { border: 1px solid var(--_line); border-radius: var(--_radius-small); overflow: hidden; background: var(--_inset); }
  .code-bar { display: flex; align-items: center; justify-content: space-between; padding: 0.125rem 0.25rem 0.125rem 0.875rem; color: var(--_muted); font-size: var(--_small); border-block-end: 1px solid var(--_line); }
  .code-bar button { min-height: 2rem; padding: 0.125rem 0.75rem; border-color: transparent; background: none; font-weight: 400; font-size: inherit; }
  .code pre { margin: 0; padding: 0.875rem; overflow-x: auto; line-height: 1.5; }
  .cursor:empty::after, .cursor > :last-child::after { content: ""; display: inline-block; width: 0.5em; height: 1em; margin-inline-start: 0.15em; vertical-align: text-bottom; background: var(--_accent); animation: blink 1s steps(2) infinite; }
  @keyframes blink { 50% { opacity: 0; } }
  .state { display: flex; flex-wrap: wrap; gap: 0.25rem 0.75rem; align-items: center; color: var(--_muted); }
  .dots { display: inline-flex; gap: 0.25rem; }
  .dots i { width: 0.45rem; height: 0.45rem; border-radius: 50%; background: currentColor; animation: pulse 1.2s ease-in-out infinite; }
  .dots i:nth-child(2) { animation-delay: 0.2s; }
  .dots i:nth-child(3) { animation-delay: 0.4s; }
  @keyframes pulse { 0%, 70%, 100% { opacity: 0.25; } 35% { opacity: 1; } }
  .notice { display: grid; gap: 0.5rem; padding: 0.75rem 1rem; border: 1px solid var(--_amber); border-radius: var(--_radius-small); background: var(--_amber-soft); }
  .notice.bad { border-color: var(--_red); background: var(--_red-soft); }
  .notice strong { font-weight: 650; }
  .under { display: flex; flex-wrap: wrap; gap: 0.125rem 0.75rem; align-items: center; color: var(--_muted); font-size: var(--_small); }
  .receipt { display: flex; flex-wrap: wrap; gap: 0.125rem 0.375rem; overflow-wrap: anywhere; }
  .receipt li:not(:last-child)::after { content: " ·"; }
  .tools { display: flex; flex-wrap: wrap; gap: 0.125rem; margin-inline-start: -0.5rem; }
  .tools button { min-width: 2.25rem; min-height: 2.25rem; padding: 0.125rem 0.5rem; border-color: transparent; background: none; color: var(--_muted); font-weight: 400; font-size: var(--_small); }
  .tools button[aria-pressed="true"] { background: var(--_accent-soft); color: var(--_text); font-weight: 600; }
  .tools button:hover:not(:disabled) { background: var(--_inset); color: var(--_text); }
  .row { display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center; }
  .grow { flex: 1; min-width: 0; }
  .samples { display: grid; gap: 0.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 14rem), 1fr)); }
  .samples button { font-weight: 400; text-align: start; line-height: 1.35; }
  .divider { color: var(--_muted); font-size: var(--_small); text-align: center; }
  .dock { position: sticky; bottom: 0; z-index: 1; display: grid; grid-template-columns: minmax(0, 1fr); gap: 0.5rem; padding-block: 0.5rem max(0.5rem, env(safe-area-inset-bottom)); background: var(--_chat-bg); }
  .dock.limited { position: static; }
  .end { scroll-margin-block-end: 12rem; }
  .composer { display: grid; gap: 0.5rem; padding: 0.75rem; border: 1px solid var(--_edge); border-radius: var(--_radius); background: var(--_surface); }
  .composer:focus-within { border-color: var(--_accent); box-shadow: 0 0 0 1px var(--_accent); }
  textarea { width: 100%; min-height: 3rem; max-height: min(40dvh, 16rem); padding: 0.25rem; border: 0; background: none; font-size: 1rem; line-height: 1.5; resize: none; field-sizing: content; }
  textarea:focus-visible { outline: none; }
  textarea::placeholder { color: var(--_muted); opacity: 1; }
  .hint { color: var(--_muted); font-size: var(--_small); }
  .over { color: var(--_red); }
  .quota { display: flex; flex-wrap: wrap; gap: 0.125rem 0.75rem; align-items: center; justify-content: space-between; color: var(--_muted); font-size: var(--_small); }
  .quota .level { display: inline-flex; gap: 0.375rem; align-items: baseline; }
  .level .muted::before { content: "· "; }
  details.settings { margin-inline-start: auto; }
  .quota.amber .level { color: var(--_amber); }
  .quota.red .level { color: var(--_red); }
  .quota button { min-height: 2rem; padding: 0.125rem 0.75rem; font-size: inherit; }
  .quota summary { display: inline-flex; align-items: center; min-height: 1.75rem; cursor: pointer; }
  details.settings { position: relative; }
  .panel { display: grid; gap: 0.75rem; padding: 1rem; border: 1px solid var(--_line); border-radius: var(--_radius); background: var(--_surface); color: var(--_text); }
  details.settings > .panel { position: absolute; inset-inline-end: 0; bottom: 100%; width: min(20rem, 86vw); box-shadow: 0 0.5rem 2rem #0004; }
  label.check { display: flex; gap: 0.625rem; align-items: start; }
  label.check input { flex: none; width: 1.25rem; height: 1.25rem; margin: 0.15rem 0 0; accent-color: var(--_accent); }
  input[type="email"] { width: 100%; min-height: var(--_target); padding: 0.5rem 0.75rem; border: 1px solid var(--_edge); border-radius: var(--_radius-small); background: var(--_surface); font-size: 1rem; }
  .limit { display: grid; gap: 0.75rem; }
  .limit h3, .prompt h3 { font-size: 1.0625rem; }
  .prompt { display: grid; gap: 0.5rem; justify-items: start; }
  .held { padding: 0.5rem 0.75rem; border-radius: var(--_radius-small); background: var(--_inset); white-space: pre-wrap; overflow-wrap: anywhere; max-height: 6rem; overflow: auto; }
  dl.keys { display: grid; grid-template-columns: auto 1fr; gap: 0.25rem 0.75rem; }
  kbd { padding: 0 0.375rem; border: 1px solid var(--_line); border-radius: 0.25rem; font-family: var(--_mono); font-size: 0.85em; }
  @media (pointer: coarse) {
    .tools button, .quota button, .quota summary, .code-bar button { min-height: 2.75rem; min-width: 2.75rem; }
  }
  @media (forced-colors: active) {
    .question .said, .notice, .code, .composer { border: 1px solid CanvasText; }
    .tools button[aria-pressed="true"] { border: 2px solid Highlight; }
  }
  @media print { .dock, .prompt { display: none; } .scroll, .code pre { overflow: visible; white-space: pre-wrap; } }
`;
