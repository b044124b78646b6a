/** What a program in TypeScript relies on; `npm run check` compiles it strictly, nothing runs it. */
import { FreeApiError, ScalixFree } from "scalix-free";
import type { Chunk, Completion, Limits, Usage } from "scalix-free";
import { exposeFreeApi, freeApi, registerFreeApiHandlers } from "scalix-free/electron";
import type { FreeUsage } from "scalix-free/electron";

const client = new ScalixFree({ baseUrl: "http://127.0.0.1:3001", maxRetries: 1 });

export async function asked(): Promise<number | null> {
  const messages = [{ role: "user", content: "Hello?" }] as const;
  const answer: Completion = await client.complete({ messages, scalix_options: {} });
  const stream = await client.stream({ messages }, { signal: AbortSignal.timeout(1000) });
  for await (const chunk of stream) said(chunk);
  const limits: Limits = await client.limits();
  const usage: Usage = await client.usage({ days: 7 });
  await client.feedback({ requestId: answer.id, rating: -1 });
  // @ts-expect-error: there are two ratings
  await client.feedback({ requestId: answer.id, rating: 5 });
  // @ts-expect-error: a request has messages
  await client.complete({ model: "scalix-free" });
  // @ts-expect-error: it may be null
  const left: number = limits.remaining_requests;
  return usage.remaining_requests ?? left;
}

function said(chunk: Chunk): string {
  return chunk.choices[0]?.delta.content ?? "";
}

export function when(error: unknown): string | null {
  return error instanceof FreeApiError ? error.resetAt : null;
}

/** Electron's own declarations have more parameters than the client's; they still fit. */
declare const ipcMain: {
  handle(
    channel: string,
    listener: (
      event: { sender: NodeEmitter; senderFrame: { url: string } | null; frameId: number },
      ...args: any[]
    ) => Promise<any> | any,
  ): void;
  removeHandler(channel: string): void;
};
interface NodeEmitter {
  once(event: "destroyed", listener: Function): this;
  removeListener(event: "destroyed", listener: Function): this;
}
declare const contextBridge: { exposeInMainWorld(apiKey: string, api: any): void };
declare const ipcRenderer: { invoke(channel: string, ...args: any[]): Promise<any> };

export const remove: () => void = registerFreeApiHandlers(ipcMain, client, {
  accepts: (event) => event.senderFrame?.url === "app://main",
});
exposeFreeApi(contextBridge);
exposeFreeApi(contextBridge, ipcRenderer);

export async function dashboard(): Promise<FreeUsage> {
  const api = freeApi(ipcRenderer);
  const answer = await api.freeCompletion({ messages: [{ role: "user", content: "Hello?" }] });
  if (answer.error === undefined) answer.choices[0]?.message.content?.length;
  else if (answer.error === "RATE_LIMIT_EXCEEDED") answer.resetTime?.length;
  else answer.retryable satisfies boolean;
  return api.getFreeUsage("somebody");
}
