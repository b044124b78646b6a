// Copying a message or a block of code; whoever pressed sees and hears what became of it.

const SHOWN_MS = 2_000;

export class Copying {
  readonly #said: (words: string | null) => void;
  #last: { id: string; words: string } | null = null;

  /** `said` hears what became of it, and again when that need not be shown any more. */
  constructor(said: (words: string | null) => void) {
    this.#said = said;
  }

  /** What stands on the button of this message, if it was copied just now. */
  wordsOf(id: string): string | null {
    return this.#last?.id === id ? this.#last.words : null;
  }

  async message(text: string, id: string): Promise<void> {
    const last = { id, words: await copied(text) };
    this.#last = last;
    this.#said(last.words);
    setTimeout(() => {
      if (this.#last !== last) return;
      this.#last = null;
      this.#said(null);
    }, SHOWN_MS);
  }

  /** The button of a block of code, which the renderer of Markdown has put there. */
  async code(event: Event): Promise<void> {
    const button = (event.target as Element).closest("[data-copy]");
    const code = button?.closest(".code")?.querySelector("code")?.textContent;
    if (!button || code === undefined || code === null) return;
    const words = await copied(code);
    button.textContent = words;
    this.#said(words);
    setTimeout(() => (button.textContent = "Copy"), SHOWN_MS);
  }
}

async function copied(text: string): Promise<string> {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    return "Not copied"; // the browser does not let us
  }
}
