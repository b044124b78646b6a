/** OpenAI's client for JavaScript, as its users write. */
import OpenAI from "openai";

import { TOOLS, drive } from "../driver.js";

const FUNCTIONS = TOOLS.map((tool) => ({ type: "function", function: tool }));

const client = ({ baseURL, headers }) =>
  new OpenAI({ baseURL, apiKey: "free", defaultHeaders: headers });
const body = ({ model, question }) => ({ model, messages: [{ role: "user", content: question }] });

function note(answer, heard) {
  const [{ message, finish_reason }] = answer.choices;
  heard.said = message.content ?? "";
  heard.finish = finish_reason;
  heard.calls = (message.tool_calls ?? []).map((call) => [
    call.function.name,
    JSON.parse(call.function.arguments),
  ]);
}

async function whole(ask, heard, more = {}) {
  const answer = await client(ask).chat.completions.create({ ...body(ask), ...more });
  note(answer, heard);
  heard.usage = [answer.usage.prompt_tokens, answer.usage.completion_tokens];
  heard.left = answer.free_tier.remaining_requests;
}

async function stream(ask, heard, more = {}) {
  const chunks = await client(ask).chat.completions.create({ ...body(ask), stream: true, ...more });
  for await (const chunk of chunks) {
    if (chunk.usage) heard.usage = [chunk.usage.prompt_tokens, chunk.usage.completion_tokens];
    if (chunk.free_tier) heard.left = chunk.free_tier.remaining_requests;
    if (!chunk.choices.length) continue;
    heard.said += chunk.choices[0].delta.content ?? "";
    heard.finish = chunk.choices[0].finish_reason ?? heard.finish;
  }
}

await drive(import.meta.url, "openai", {
  whole,
  stream,
  usage: (ask, heard) => stream(ask, heard, { stream_options: { include_usage: true } }),
  tools: (ask, heard) => whole(ask, heard, { tools: FUNCTIONS }),
  "stream-tools": async (ask, heard) => {
    const runner = client(ask).chat.completions.stream({ ...body(ask), tools: FUNCTIONS });
    note(await runner.finalChatCompletion(), heard);
  },
});
