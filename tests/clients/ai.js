/** The Vercel AI SDK of any version, by its provider for servers of OpenAI's format. */
import { TOOLS, described, drive } from "./driver.js";

/** Run the scenarios with these functions of the SDK. */
export function driveAi(from, { createOpenAICompatible, generateText, jsonSchema, streamText, tool }) {
  const tools = Object.fromEntries(
    TOOLS.map(({ name, description, parameters }) => [
      name,
      tool({ description, inputSchema: jsonSchema(parameters) }),
    ]),
  );
  const usageOf = (usage) =>
    usage?.inputTokens == null ? null : [usage.inputTokens, usage.outputTokens];
  const callOf = ({ toolName, input }) => [toolName, input];

  const asked = ({ baseURL, headers, model, question }, more) => ({
    model: createOpenAICompatible({
      name: "scalix",
      baseURL,
      headers,
      includeUsage: more.includeUsage ?? false,
      metadataExtractor: EXTRACTOR,
    })(model),
    prompt: question,
    ...(more.tools ? { tools } : {}),
  });

  async function whole(ask, heard, more = {}) {
    const answer = await generateText(asked(ask, more));
    heard.said = answer.text;
    heard.finish = answer.finishReason;
    heard.usage = usageOf(answer.usage);
    heard.calls = answer.toolCalls.map(callOf);
    heard.left = answer.response.body.free_tier.remaining_requests;
  }

  async function stream(ask, heard, more = {}) {
    const { fullStream } = streamText({ ...asked(ask, more), onError: () => {} });
    for await (const part of fullStream) {
      if (part.type === "text-delta") heard.said += part.text;
      if (part.type === "tool-call") heard.calls.push(callOf(part));
      if (part.type === "error") heard.error = described(part.error);
      if (part.type === "finish-step") {
        heard.left = part.providerMetadata?.scalix?.free_tier?.remaining_requests ?? null;
      }
      if (part.type === "finish") {
        heard.finish = part.finishReason;
        heard.usage = usageOf(part.totalUsage);
      }
    }
  }

  return drive(from, "ai", {
    whole,
    stream,
    usage: (ask, heard) => stream(ask, heard, { includeUsage: true }),
    tools: (ask, heard) => whole(ask, heard, { tools: true }),
    "stream-tools": (ask, heard) => stream(ask, heard, { tools: true }),
  });
}

/** How a program gets at fields that are not OpenAI's. */
const EXTRACTOR = {
  extractMetadata: async ({ parsedBody }) => ({ scalix: { free_tier: parsedBody.free_tier } }),
  createStreamExtractor: () => {
    let found;
    return {
      processChunk: (chunk) => void (found = chunk?.free_tier ?? found),
      buildMetadata: () => (found ? { scalix: { free_tier: found } } : undefined),
    };
  },
};
