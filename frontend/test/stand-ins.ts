// What a browser has and Node has not: a memory, and a clock that only goes when it is told to.

import { afterEach, beforeEach } from "node:test";

/** For all tests of a file: an empty memory for each. */
export function withMemory(): void {
  beforeEach(() => {
    const kept = new Map<string, string>();
    const localStorage = {
      getItem: (name: string) => kept.get(name) ?? null,
      setItem: (name: string, value: string) => void kept.set(name, value),
      removeItem: (name: string) => void kept.delete(name),
    };
    Object.assign(globalThis, { localStorage, window: new EventTarget() });
  });
}

/** What another window does to the memory is told as browsers tell it. */
export function changedElsewhere(name: string): void {
  window.dispatchEvent(Object.assign(new Event("storage"), { key: `scalix-free.${name}` }));
}

interface Timer {
  atMs: number;
  act: () => void;
}

export class Clock {
  nowMs = 1_800_000_000_000;
  #timers = new Map<number, Timer>();
  #last = 0;

  get iso(): string {
    return new Date(this.nowMs).toISOString();
  }

  /** How many waits are under way. */
  get waits(): number {
    return this.#timers.size;
  }

  install(): void {
    const after = (act: () => void, ms: number): number => {
      this.#timers.set(++this.#last, { atMs: this.nowMs + ms, act });
      return this.#last;
    };
    Object.assign(globalThis, {
      setTimeout: after,
      clearTimeout: (timer: number) => this.#timers.delete(timer),
      setInterval: () => 0, // only shows that time passes
      clearInterval: () => undefined,
    });
    Date.now = () => this.nowMs;
  }

  /** Let time pass, and whatever falls due meanwhile happen. */
  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { atMs }]) => atMs <= endMs).sort(([, a], [, b]) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      const [name, { atMs, act }] = due;
      this.#timers.delete(name);
      this.nowMs = Math.max(this.nowMs, atMs);
      act();
      await settled();
    }
    this.nowMs = endMs;
  }
}

/** A clock of ours for each test of a file. */
export function withClock(): () => Clock {
  const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
  const { now } = Date;
  let clock = new Clock();
  beforeEach(() => {
    clock = new Clock();
    clock.install();
  });
  afterEach(() => {
    Object.assign(globalThis, { setTimeout, clearTimeout, setInterval, clearInterval });
    Date.now = now;
  });
  return () => clock;
}

/** When everything that was promised has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
