// Numbers, times and windows as people say them. Pure: the present is an argument.

import type { Window } from "./shapes";

/** 10000 → "10,000", in English grouping wherever the reader is: the texts are English. */
export function count(n: number): string {
  return Math.round(n).toLocaleString("en-US");
}

/** 2140 → "2.1 k"; small numbers stand as they are. */
export function short(n: number): string {
  if (n < 1_000) return String(Math.round(n));
  const thousands = n / 1_000;
  return `${thousands < 10 ? Math.floor(thousands * 10) / 10 : Math.floor(thousands)} k`;
}

export function plural(n: number, what: string): string {
  return `${count(n)} ${what}${n === 1 ? "" : "s"}`;
}

/** "12 of 20", or "12" where there is no limit, or it is not known. */
export function ofLimit(window: Window): string {
  return window.limit === null ? count(window.used) : `${count(window.used)}/${count(window.limit)}`;
}

/** The local clock time; with the day where it is another one. */
export function clock(iso: string, now: Date): string {
  const at = new Date(iso);
  if (Number.isNaN(at.valueOf())) return "N/A";
  const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (at.toDateString() === now.toDateString()) return time;
  return `${at.toLocaleDateString([], { weekday: "short", day: "numeric", month: "short" })}, ${time}`;
}

/** A wait: "now", "in 40 s", "in 12 min", "in 2 h 5 min", "in 3 days". Rounded up. */
export function wait(iso: string, now: Date): string {
  const seconds = Math.ceil((new Date(iso).valueOf() - now.valueOf()) / 1_000);
  if (!(seconds > 0)) return "now";
  if (seconds < 60) return `in ${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return `in ${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `in ${hours} h` : `in ${hours} h ${minutes % 60} min`;
  return `in ${Math.ceil(hours / 24)} days`;
}

const NAMES: Record<string, string> = {
  requests_hour: "Requests This Hour",
  requests_day: "Requests Today",
  tokens_day: "Tokens Used",
  concurrent: "At The Same Time",
};

export function title(window: Window): string {
  return NAMES[window.name] ?? window.name.replaceAll("_", " ");
}

/** "2 of 5 left this hour"; for the banner, where another window than the day binds. */
export function left(window: Window): string {
  const { remaining, limit } = window;
  const of = limit === null ? "" : ` of ${count(limit)}`;
  const what = window.unit === "tokens" ? " tokens" : "";
  const when = window.name === "requests_hour" ? " this hour" : window.name.endsWith("_day") ? " today" : "";
  return `${count(remaining ?? 0)}${of}${what} left${when}`;
}

/** As an operator words it, with or without its full stop. */
export function sentence(text: string): string {
  return /[.!?]$/.test(text.trim()) ? text.trim() : `${text.trim()}.`;
}

/** 940 → "0.9 s". */
export function seconds(ms: number): string {
  return ms < 100 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/** "19.99" and "USD" → "$19.99". Money stays text. */
export function money(amount: string, currency: string): string {
  const signs: Record<string, string> = { USD: "$", EUR: "€", GBP: "£" };
  const sign = signs[currency.toUpperCase()];
  return sign === undefined ? `${amount} ${currency.toUpperCase()}` : `${sign}${amount}`;
}
