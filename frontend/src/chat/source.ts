// Where answers come from: the service by fetch, or a host by a function. Both become pieces.

import { Refused } from "../service";
import type { Service } from "../service";
import type { FreeTier, ServiceError } from "../shapes";
import type { Message } from "./conversation";
import { FrameCutter, placeOf } from "./events";
import type { Place } from "./events";
import { orStopped } from "./stopping";

export interface Question {
  messages: Message[];
  /** Asked again: what is remembered of it does not count. */
  fresh: boolean;
  /** One turn of the person, however often it is tried. */
  turn: string;
  stream: boolean;
}

export interface Ending {
  id: string | null;
  tokens: number | null;
  freeTier: FreeTier | null;
}

export type Piece =
  | { kind: "head"; requestId: string | null; model: string | null; attempts: number; cache: string | null }
  | ({ kind: "waiting" } & Place)
  | { kind: "text"; text: string }
  | ({ kind: "end" } & Ending);

/** The answer broke after it had begun, or the connection did. */
export class Broken extends Error {
  readonly error: ServiceError;

  constructor(error: ServiceError) {
    super(error.message);
    this.name = "Broken";
    this.error = error;
  }
}

const CUT: ServiceError = {
  message: "The connection was cut before the answer was whole.",
  code: "connection_cut",
  retryable: true,
};

/** One chunk or one whole answer, in the OpenAI format. */
export interface Chunk {
  id?: string;
  choices?: {
    delta?: { content?: string | null; refusal?: string | null };
    message?: { content?: string | null; refusal?: string | null };
    finish_reason?: string | null;
  }[];
  usage?: { total_tokens?: number } | null;
  free_tier?: FreeTier;
  error?: ServiceError | string;
  message?: string;
  resetTime?: string | number | Date | null;
  retryable?: boolean;
}

/** What a host gives for `ask`: a whole answer, or its chunks (or plain pieces of text) one by one. */
export type Ask = (
  question: Question,
  signal: AbortSignal,
) => Promise<Chunk> | AsyncIterable<Chunk | string>;

export async function* fromService(
  service: Service,
  question: Question,
  signal: AbortSignal,
): AsyncGenerator<Piece> {
  const { messages, fresh, turn, stream } = question;
  const body = stream
    ? { messages, stream: true, stream_options: { include_usage: true } }
    : { messages };
  const extra: Record<string, string> = { "idempotency-key": turn };
  if (fresh) extra["cache-control"] = "no-cache";
  const response = await service.complete(body, extra, signal);
  const { headers } = response;
  yield {
    kind: "head",
    requestId: headers.get("x-request-id"),
    model: headers.get("x-scalix-model"),
    attempts: Number(headers.get("x-scalix-attempts") ?? 1),
    cache: headers.get("x-scalix-cache"),
  };
  if (!(headers.get("content-type") ?? "").startsWith("text/event-stream")) {
    yield* fromChunks([await wholeOf(response, signal)]);
    return;
  }
  yield* fromChunks(framesOf(response, signal));
}

async function* framesOf(
  response: Response,
  signal: AbortSignal,
): AsyncGenerator<Chunk | Piece> {
  const cutter = new FrameCutter();
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { value, done } = await readOf(reader, signal);
      const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
      for (const frame of cutter.cut(text)) {
        if ("comment" in frame) {
          const place = placeOf(frame.comment);
          if (place !== null) yield { kind: "waiting", ...place };
        } else if (frame.data === "[DONE]") {
          return;
        } else {
          yield chunkOf(frame.data);
        }
      }
      if (done) throw new Broken(CUT);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** A frame that is none was torn on its way. */
function chunkOf(data: string): Chunk {
  try {
    return JSON.parse(data) as Chunk;
  } catch {
    throw new Broken(CUT);
  }
}

async function wholeOf(response: Response, signal: AbortSignal): Promise<Chunk> {
  try {
    return (await response.json()) as Chunk;
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Broken(CUT);
  }
}

async function readOf(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  signal: AbortSignal,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read();
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Broken(CUT);
  }
}

export async function* fromHost(
  ask: Ask,
  question: Question,
  signal: AbortSignal,
): AsyncGenerator<Piece> {
  const given = ask(question, signal);
  if (Symbol.asyncIterator in given) yield* fromChunks(untilStopped(given, signal));
  else yield* fromChunks([await orStopped(given, signal)]);
}

/** A host need not hear the signal: who stops waits for nothing. */
async function* untilStopped<T>(chunks: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { value, done } = await orStopped(iterator.next(), signal);
      if (done === true) return;
      yield value;
    }
  } finally {
    void iterator.return?.().then(undefined, () => undefined);
  }
}

async function* fromChunks(
  chunks: Iterable<Chunk> | AsyncIterable<Chunk | Piece | string>,
): AsyncGenerator<Piece> {
  const ending: Ending = { id: null, tokens: null, freeTier: null };
  let begun = false;
  for await (const chunk of chunks) {
    if (typeof chunk === "string") {
      begun = true;
      yield { kind: "text", text: chunk };
      continue;
    }
    if ("kind" in chunk) {
      yield chunk;
      continue;
    }
    if (chunk.error !== undefined) {
      const error = errorOf(chunk);
      throw begun ? new Broken(error) : new Refused(200, error);
    }
    const choice = chunk.choices?.[0];
    const said = choice?.delta ?? choice?.message;
    const text = said?.content ?? said?.refusal ?? "";
    ending.id ??= chunk.id ?? null;
    ending.tokens = chunk.usage?.total_tokens ?? ending.tokens;
    ending.freeTier = chunk.free_tier ?? ending.freeTier;
    if (text !== "") {
      begun = true;
      yield { kind: "text", text };
    }
  }
  yield { kind: "end", ...ending };
}

/** The service's own, or that of a desktop host: `{error: "RATE_LIMIT_EXCEEDED", message, resetTime}`. */
function errorOf({ error, message, resetTime, retryable }: Chunk): ServiceError {
  if (typeof error === "object") return error;
  const reset = resetTime === null || resetTime === undefined ? null : new Date(resetTime);
  return {
    message: message ?? "Failed to generate response",
    code: error ?? null,
    retryable: retryable ?? null,
    reset_at: reset === null || Number.isNaN(reset.valueOf()) ? null : reset.toISOString(),
  };
}
