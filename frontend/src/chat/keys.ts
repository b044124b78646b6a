// Keys: Esc everywhere, single keys between messages.

/** What a key does, and where the focus is that it was pressed with. */
export type Deed = "stop" | "close" | "toggle" | "next" | "previous" | "copy";

export interface Pressed {
  key: string;
  /** With Ctrl, Alt or Meta: then it is the browser's. */
  isModified: boolean;
  isInField: boolean;
  isInArticle: boolean;
}

const OF_ARTICLES: ReadonlyMap<string, Deed> = new Map([
  ["j", "next"],
  ["ArrowDown", "next"],
  ["k", "previous"],
  ["ArrowUp", "previous"],
  ["c", "copy"],
]);

/** `single` is whether single keys are wished for. */
export function deedOf(pressed: Pressed, busy: boolean, single: boolean): Deed | null {
  const { key, isModified, isInField, isInArticle } = pressed;
  if (key === "Escape") return busy ? "stop" : "close";
  if (!single || isModified || isInField) return null;
  if (key === "?") return "toggle";
  return isInArticle ? (OF_ARTICLES.get(key) ?? null) : null;
}

/** What keys are pressed in. */
export interface Keyed {
  readonly busy: boolean;
  readonly hasSingleKeys: boolean;
  readonly renderRoot: ParentNode;
  stop(): void;
  /** By the name that `exchangeView` gave its article. */
  copyArticle(name: string): void;
}

export function press(event: KeyboardEvent, chat: Keyed): void {
  const from = event.composedPath()[0] as HTMLElement;
  const article = from.closest<HTMLElement>("article");
  const pressed = {
    key: event.key,
    isModified: event.ctrlKey || event.metaKey || event.altKey,
    isInField: from.matches("input, textarea, select"),
    isInArticle: article !== null,
  };
  const settings = chat.renderRoot.querySelector<HTMLDetailsElement>("details.settings");
  switch (deedOf(pressed, chat.busy, chat.hasSingleKeys)) {
    case "stop":
      event.preventDefault();
      return chat.stop();
    case "close":
      return close(settings, from);
    case "toggle":
      return settings?.open ? close(settings, from) : settings?.setAttribute("open", "");
    case "next":
      return move(event, chat, article, 1);
    case "previous":
      return move(event, chat, article, -1);
    case "copy":
      return chat.copyArticle(article?.dataset["id"] ?? "");
  }
}

/** What is closed cannot keep the focus. */
function close(settings: HTMLDetailsElement | null, from: HTMLElement): void {
  if (!settings?.open) return;
  settings.open = false;
  if (settings.contains(from)) settings.querySelector("summary")?.focus();
}

/** To the message beside this one; where there is none the key scrolls, as it does everywhere. */
function move(event: KeyboardEvent, { renderRoot }: Keyed, from: HTMLElement | null, step: number): void {
  const all = [...renderRoot.querySelectorAll<HTMLElement>("article")];
  const to = from === null ? undefined : all[all.indexOf(from) + step];
  if (to === undefined) return;
  event.preventDefault();
  to.focus();
}
