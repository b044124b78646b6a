// Cuts an answer that is being written into whole sentences for a screen reader. Pure.

/** Sentences come no faster than this: a reader that is interrupted says nothing. */
export const APART_MS = 1_500;

export class Sentences {
  #rest = "";
  #due: string[] = [];
  #lastMs = -Infinity;

  feed(text: string): void {
    this.#rest += text;
    const cuts = [...this.#rest.matchAll(/[.!?:]["')\]]?(?=\s)|\n/g)];
    const last = cuts.at(-1);
    if (last === undefined) return;
    const until = last.index + last[0].length;
    this.#add(this.#rest.slice(0, until));
    this.#rest = this.#rest.slice(until);
  }

  /** All that is whole by now, if enough time has passed; else null. */
  take(nowMs: number): string | null {
    if (this.#due.length === 0 || nowMs - this.#lastMs < APART_MS) return null;
    this.#lastMs = nowMs;
    const said = this.#due.join(" ");
    this.#due = [];
    return said;
  }

  /** What was never ended by a full stop, too. */
  end(): string {
    this.#add(this.#rest);
    this.#rest = "";
    const said = this.#due.join(" ");
    this.#due = [];
    return said;
  }

  #add(text: string): void {
    const plain = spoken(text);
    if (plain !== "") this.#due.push(plain);
  }
}

/** Without the marks of Markdown, which are noise to hear. */
export function spoken(text: string): string {
  return text
    .replace(/```[^\n]*\n?/g, " ")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^[\s>#*+-]+/gm, "")
    .replace(/[*_`~]+/g, "")
    .replace(/\s+/g, " ")
    .trim();
}
