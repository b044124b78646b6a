// How somebody wants the chat to behave; kept by the browser.

import { keep, recall } from "../kept";

export interface Settings {
  /** Show answers as they are written. */
  stream: boolean;
  /** Say answers to screen readers, sentence by sentence. */
  sentences: boolean;
  /** Single keys between messages. */
  shortcuts: boolean;
}

export const CHOICES: readonly { name: keyof Settings; words: string }[] = [
  { name: "stream", words: "Show answers while they are written" },
  { name: "sentences", words: "Tell screen readers each sentence" },
  { name: "shortcuts", words: "Keyboard shortcuts between messages" },
];

export const KEYS: readonly (readonly [keys: string, does: string])[] = [
  ["Enter", "send; with Shift, a new line"],
  ["Esc", "stop the answer"],
  ["j ↓ k ↑", "next and previous message"],
  ["c", "copy the message"],
  ["?", "show these keys"],
];

export const USUAL: Settings = { stream: true, sentences: true, shortcuts: true };

export function settings(): Settings {
  try {
    return { ...USUAL, ...(JSON.parse(recall("chat-settings") ?? "{}") as Partial<Settings>) };
  } catch {
    return USUAL;
  }
}

export function keepSettings(chosen: Settings): void {
  keep("chat-settings", JSON.stringify(chosen));
}
