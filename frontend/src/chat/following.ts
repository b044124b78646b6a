// Whether the page goes along with an answer that grows: until its reader goes elsewhere.

/** Less than this is nobody's scrolling. */
const STILL_PX = 1;

export class Following {
  readonly #end: () => Element | null;
  #follows = true;
  #topPx = 0;

  /** `end` is what stands below the newest answer. */
  constructor(end: () => Element | null) {
    this.#end = end;
  }

  connect(): void {
    // Whatever scrolls, the page or a box of its host, and by whatever: a wheel, a finger, keys.
    document.addEventListener("scroll", this.#scrolled, { capture: true, passive: true });
  }

  disconnect(): void {
    document.removeEventListener("scroll", this.#scrolled, { capture: true });
  }

  begin(): void {
    this.#follows = true;
  }

  /** Something was added. */
  grown(): void {
    const end = this.#end();
    if (end === null) return;
    if (this.#follows) end.scrollIntoView({ block: "end" });
    this.#topPx = end.getBoundingClientRect().top;
  }

  readonly #scrolled = (): void => {
    const top = this.#end()?.getBoundingClientRect().top;
    if (top === undefined) return;
    if (top > this.#topPx + STILL_PX) this.#follows = false;
    else if (top < window.innerHeight) this.#follows = true;
    this.#topPx = top;
  };
}
