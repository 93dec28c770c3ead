// The road to the server: JSON requests, the answer stream, and errors in words.

import { loadToken, saveToken } from "./storage.js";

/** What went wrong: `status` is HTTP's (0: no connection), `detail` the server's own line. */
export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

const TITLES = {
  0: "The server does not answer",
  401: "This server asks for a token",
  403: "This is not allowed",
  404: "That is not here any more",
  408: "This took too long",
  413: "That is too large",
  429: "The server is busy",
  500: "The server made a mistake",
  502: "The server does not answer",
  503: "The server is busy",
  504: "This took too long",
};

export function errorTitle(error) {
  return TITLES[error.status] ?? "That did not work";
}

let token = loadToken();
let askForToken = async () => null;

/** `prompt(detail)` is called on 401 and resolves to a token, or to null when the user gives up. */
export function setTokenPrompt(prompt) {
  askForToken = prompt;
}

/** Integers that a double can't hold stay exact: a key like 9007199254740993 is shown as it is stored. */
function exactIntegers(_key, value, context) {
  const lossy = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return lossy && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context.source) : value;
}

export const parse = (text) => JSON.parse(text, exactIntegers);

async function errorOf(response) {
  const text = await response.text();
  let detail = text.slice(0, 500);
  try {
    const body = JSON.parse(text);
    if (typeof body.detail === "string") detail = body.detail;
  } catch { /* not JSON: a proxy's page; its beginning has to do */ }
  return new ApiError(response.status, detail || response.statusText || `status ${response.status}`);
}

async function send(path, options) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    return await fetch(new URL(path, document.baseURI), { ...options, headers, credentials: "same-origin" });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new ApiError(0, "The connection was lost. Check that text2sql is still running, then try again.");
  }
}

/** Sends a request, asks for a token where one is wanted, and throws ApiError for every refusal. */
export async function request(path, { method = "GET", json, form, signal } = {}) {
  const options = { method, signal, headers: {}, body: form };
  if (json !== undefined) {
    options.body = JSON.stringify(json);
    options.headers["Content-Type"] = "application/json";
  }
  for (;;) {
    const response = await send(path, options);
    if (response.ok) return response;
    const error = await errorOf(response);
    const given = response.status === 401 ? await askForToken(error.message) : null;
    if (!given) throw error;
    token = given;
    saveToken(given);
  }
}

export async function call(path, options) {
  const response = await request(path, options);
  const text = await response.text();
  return text ? parse(text) : null;
}

/** Server-sent events of a body: yields {event, data} for each block that carries data. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      buffer += (value ?? "").replaceAll("\r", "");
      const blocks = buffer.split("\n\n");
      buffer = blocks.pop();
      yield* blocks.map(parseEvent).filter(Boolean);
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => { /* the stream may have failed already */ });
  }
}

function parseEvent(block) {
  const fields = block.split("\n").map((line) => line.match(/^(\w+): ?(.*)$/)).filter(Boolean);
  const data = fields.filter(([, name]) => name === "data").map(([, , text]) => text).join("\n");
  const event = fields.find(([, name]) => name === "event")?.[2] ?? "message";
  return data ? { event, data: parse(data) } : null;
}

/** Asks a question; `onSql` gets the whole SQL so far while it is written. Resolves to the answer. */
export async function ask(body, { signal, onSql }) {
  const response = await request("ask", { method: "POST", json: { ...body, stream: true }, signal });
  if (!response.headers.get("content-type")?.includes("event-stream")) return parse(await response.text());
  try {
    for await (const { event, data } of events(response.body)) {
      if (event === "sql") onSql(data.text);
      if (event === "answer") return data;
      if (event === "error") throw new ApiError(data.status ?? 500, data.detail);
    }
  } catch (problem) {
    if (problem instanceof TypeError) throw new ApiError(0, "The connection was lost while the answer came in.");
    throw problem;
  }
  throw new ApiError(0, "The connection was lost while the answer came in.");
}

export const run = (body, signal) => call("run", { method: "POST", json: body, signal });
export const explain = (body) => call("explain", { method: "POST", json: body });
