export { ScalixFree } from "./client.js";
export type { CallOptions, ClientOptions, SessionOptions, StreamOptions } from "./client.js";
export { FreeApiError } from "./errors.js";
export { solve } from "./proof.js";
export { CompletionStream } from "./stream.js";
export type * from "./shapes.js";
