import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, streamText, tool } from "ai";

import { driveAi } from "../ai.js";

await driveAi(import.meta.url, { createOpenAICompatible, generateText, jsonSchema, streamText, tool });
