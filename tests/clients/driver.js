/** What the drivers in JavaScript share: they are told whom to ask what, and print what they heard. */
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";

export const TOOLS = [["get_weather", "city"], ["get_time", "zone"]].map(([name, key]) => ({
  name,
  description: "Look it up.",
  parameters: { type: "object", properties: { [key]: { type: "string" } } },
}));

/** Run what standard input tells, in its order, and print what was heard; `driver.py` has its form. */
export async function drive(from, name, scenarios) {
  const told = JSON.parse(await text(process.stdin));
  const heard = {};
  for (const [asked, { scenario, model, address }] of Object.entries(told.asked)) {
    const headers = { "x-forwarded-for": address };
    const ask = { baseURL: told.base_url, model, headers, question: told.question };
    const one = { said: "", finish: null, usage: null, left: null, calls: [], error: null };
    heard[asked] = one;
    try {
      await scenarios[scenario](ask, one);
    } catch (error) {
      one.error = described(error);
    }
  }
  const version = versionOf(from, name);
  process.stdout.write(JSON.stringify({ version, heard }));
}

/** The error as a program would look at it: the last of many tries, and what is no `Error` too. */
export function described(error) {
  const last = error?.lastError ?? error;
  const body = last?.error ?? envelope(last?.responseBody) ?? {};
  const named = error instanceof Error;
  return {
    type: named && error.name !== "Error" ? error.name : error?.constructor.name,
    message: String(error?.message ?? error),
    code: last?.code ?? body.code ?? null,
    reset_at: body.reset_at ?? null,
  };
}

function envelope(text) {
  return text === undefined ? undefined : JSON.parse(text).error;
}

function versionOf(from, name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, from), "utf8")).version;
}
