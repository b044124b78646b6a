/** A server on loopback that does what a test says with each request. */
import { once } from "node:events";
import { createServer } from "node:http";

/** `answer(request, response, n)`; closed with everything it holds when the test ends. */
export async function serving(test, answer) {
  const seen = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    seen.push({ headers: request.headers, path: request.url, body: body && JSON.parse(body) });
    answer(request, response, seen.length - 1);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, seen };
}

export const ASKED = { messages: [{ role: "user", content: "Hello?" }] };

export function chunk(content, finish = null, more = {}) {
  const choices = [{ index: 0, delta: { content }, finish_reason: finish }];
  return { id: "free_cmp_1", object: "chat.completion.chunk", model: "m", choices, ...more };
}

export const event = (data) =>
  `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;

export function refuse(response, status, error, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ error: { message: "No.", code: "x", ...error }, free_tier: null }));
}
