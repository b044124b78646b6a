// The look that all elements share. Each value can be set from outside as a variable.
//
// Variables of the page come first; the defaults follow the host's color-scheme.

import { css } from "lit";

export const base = css`
  :host {
    --_surface: var(--sx-surface, light-dark(#ffffff, #161a2e));
    --_inset: var(--sx-inset, light-dark(#f0f2f9, #1d2139));
    --_text: var(--sx-text, light-dark(#161a2c, #eceefa));
    --_muted: var(--sx-muted, light-dark(#545a73, #aab0cc));
    --_line: var(--sx-line, light-dark(#dde1ed, #2d3254));
    --_edge: var(--sx-edge, light-dark(#7d849d, #7d84aa));
    --_accent: var(--sx-accent, light-dark(#4a44d4, #a9adff));
    --_accent-text: var(--sx-accent-text, light-dark(#ffffff, #13152c));
    --_accent-soft: var(--sx-accent-soft, light-dark(#ecebfd, #252a52));
    --_gradient: var(--sx-gradient, none);
    --_ok: var(--sx-ok, light-dark(#13703f, #74d9a3));
    --_amber: var(--sx-warn, light-dark(#7f4d00, #f2c06a));
    --_amber-soft: var(--sx-warn-soft, light-dark(#fdf1da, #342810));
    --_red: var(--sx-danger, light-dark(#ad1f2d, #ff9ea6));
    --_red-soft: var(--sx-danger-soft, light-dark(#fde9ea, #3a171c));
    --_radius: var(--sx-radius, 0.75rem);
    --_radius-small: var(--sx-radius-small, 0.5rem);
    --_target: var(--sx-target, 2.75rem);
    --_small: var(--sx-small, 0.875rem);
    --_mono: var(--sx-mono, ui-monospace, "SF Mono", Menlo, Consolas, monospace);
    display: block;
    color: var(--_text);
    font: var(--sx-base, 1rem) / 1.6 var(--sx-font, system-ui, sans-serif);
    text-align: start;
  }
  :host([hidden]) { display: none; }
  *, ::before, ::after { box-sizing: border-box; }
  h2, h3, p, ul, dl, dd { margin: 0; }
  ul { padding: 0; list-style: none; }
  button, input, textarea, select { font: inherit; color: inherit; }
  button {
    min-height: var(--_target);
    padding: 0.5rem 1.1rem;
    border: 1px solid var(--_edge);
    border-radius: var(--_radius-small);
    background: var(--_surface);
    font-weight: 550;
    cursor: pointer;
  }
  button:hover:not(:disabled) { background: var(--_inset); }
  button:disabled { opacity: 0.55; cursor: default; }
  button.primary {
    border-color: transparent;
    background: var(--_accent) var(--_gradient);
    color: var(--_accent-text);
  }
  button.primary:hover:not(:disabled) { background: var(--_accent) var(--_gradient); filter: brightness(1.06); }
  button.quiet { border-color: transparent; background: none; color: var(--_muted); font-weight: inherit; padding-inline: 0.5rem; }
  a { color: var(--_accent); }
  :focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
  .card {
    padding: 1.25rem;
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    background: var(--_surface);
  }
  .muted { color: var(--_muted); }
  .spoken {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  progress {
    --_fill: var(--_ok);
    appearance: none;
    display: block;
    width: 100%;
    height: 0.5rem;
    border: 0;
    border-radius: 1rem;
    overflow: hidden;
    background: var(--_line);
  }
  progress::-webkit-progress-bar { background: var(--_line); }
  progress::-webkit-progress-value { background: var(--_fill); border-radius: 1rem; }
  progress::-moz-progress-bar { background: var(--_fill); border-radius: 1rem; }
  progress.amber { --_fill: var(--_amber); }
  progress.red { --_fill: var(--_red); }
  @media (forced-colors: active) {
    .card, progress { border: 1px solid CanvasText; }
    button { border-color: ButtonText; }
    progress { --_fill: Highlight; forced-color-adjust: none; }
  }
  @media print { button, form { display: none !important; } }
  @media (prefers-reduced-motion: reduce) {
    *, ::before, ::after { animation: none !important; transition: none !important; }
  }
`;
