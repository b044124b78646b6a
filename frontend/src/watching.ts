// The limits of the caller, looked at when something may have changed them.

import type { PropertyValues } from "lit";
import { CHANGED, ScalixElement } from "./element";
import type { Service } from "./service";
import type { Limits, UsageReport } from "./shapes";
import { crossed, standing } from "./standing";
import type { Standing, Threshold } from "./standing";
import { left } from "./words";

/** What is known late is known by then. */
const LATE_MS = 2_000;
const LONGEST_TIMER_MS = 2_147_483_647;

/** An element that shows limits, and says aloud when a threshold is crossed. */
export abstract class WatchingElement extends ScalixElement {
  static override properties = {
    ...ScalixElement.properties,
    fetched: { state: true },
    said: { state: true },
  };

  declare protected fetched: Limits | UsageReport | null;
  /** What a screen reader is told; empty until a threshold is crossed while one looks. */
  declare protected said: string;
  protected now: Standing | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #later: ReturnType<typeof setTimeout> | undefined;
  /** Looks are counted: what an earlier one finds later does not count. */
  #looks = 0;
  #newest = 0;

  constructor() {
    super();
    this.fetched = null;
    this.said = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener(CHANGED, this.#changed);
    document.addEventListener("visibilitychange", this.#seen);
    if (this.hasUpdated) void this.refresh();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener(CHANGED, this.#changed);
    document.removeEventListener("visibilitychange", this.#seen);
    clearTimeout(this.#timer);
    clearTimeout(this.#later);
  }

  /** Ask the service anew. Reading limits costs nothing. */
  async refresh(): Promise<void> {
    const { service } = this;
    if (service === null || this.data !== null) return;
    const look = ++this.#looks;
    const found = await this.load(service).catch(() => null);
    if (found === null || look < this.#newest) return;
    this.#newest = look;
    this.fetched = found;
  }

  protected load(service: Service): Promise<Limits | UsageReport> {
    return service.limits();
  }

  /** Somebody else looks: nothing of who did before is shown to them. */
  #becomeAnother(): void {
    this.#newest = this.#looks + 1;
    this.fetched = null;
    void this.refresh();
  }

  /** Whether all that an answer changed is known only a moment after it: that somebody hung up, for one. */
  protected isLate(state: string): boolean {
    return state === "stopped";
  }

  readonly #changed = (event: Event): void => {
    void this.refresh();
    clearTimeout(this.#later);
    // A host may say it too, without any detail.
    const { detail } = event as CustomEvent<{ state?: string } | null | undefined>;
    if (!this.isLate(detail?.state ?? "")) return;
    this.#later = setTimeout(() => void this.refresh(), LATE_MS);
  };

  readonly #seen = (): void => {
    if (document.visibilityState === "visible") void this.refresh();
  };

  protected override willUpdate(changes: PropertyValues): void {
    if (changes.has("baseUrl") || changes.has("token")) this.#becomeAnother();
    if (!changes.has("data") && !changes.has("fetched")) return;
    const before = this.now;
    this.now = standing(this.data ?? this.fetched);
    if (this.now === null) return;
    const line = crossed(before, this.now);
    if (line !== null) this.#cross(line, this.now, before === null);
    this.#wake(this.now);
  }

  #cross(threshold: Threshold, now: Standing, first: boolean): void {
    if (!first) this.said = spoken(threshold, now);
    this.emit("scalix-threshold", { threshold, standing: now });
  }

  #wake({ windows }: Standing): void {
    clearTimeout(this.#timer);
    const waits = windows
      .filter((window) => window.used > 0 && window.resets_at !== null)
      .map((window) => new Date(window.resets_at ?? "").valueOf() - Date.now())
      .filter((wait) => wait > 0);
    if (waits.length === 0) return;
    const wait = Math.min(Math.min(...waits) + 1_000, LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => void this.refresh(), wait);
  }
}

function spoken(threshold: Threshold, { remaining, tighter, day }: Standing): string {
  const window = tighter ?? day;
  const what = window === null ? `${remaining ?? 0} left` : left(window);
  switch (threshold) {
    case "at_limit":
      return `Free limit reached: ${what}.`;
    case "reset":
      return `Free requests are back: ${what}.`;
    case "near_limit":
      return `Almost out of free requests: ${what}.`;
    default:
      return `Free requests: ${what}.`;
  }
}
