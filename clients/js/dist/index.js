export { ScalixFree } from "./client.js";
export { FreeApiError } from "./errors.js";
export { solve } from "./proof.js";
export { CompletionStream } from "./stream.js";
