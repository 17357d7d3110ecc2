// The server's routes as functions. Whatever goes wrong is a Failed, with the number by which the server's log knows it.
import { tell } from "./bus.js";

const TRIES = 3;
const ADDED = 20; // tries of a file to add: an index may be updated for minutes
const AGAIN = 5; // seconds between them

/** A request that was not answered as asked. status 0: the server was not reached. */
export class Failed extends Error {
  constructor(status, { code = "", message = "", request = "" } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.request = request;
  }
}

/** What a refused answer says: its reason where it holds one, else its status. */
function told(status, text, request) {
  try {
    return new Failed(status, { request, ...JSON.parse(text).error });
  } catch {
    return new Failed(status, { code: "failed", request });
  }
}

const pause = (seconds, signal) =>
  new Promise((done, stop) => {
    const timer = setTimeout(done, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      stop(signal.reason);
    });
  });

/** Ask a route. A busy server (503) is asked again when it says so; no token (401) opens the login. */
async function call(method, path, { json, file, type, signal } = {}) {
  const headers = json === undefined ? (type ? { "Content-Type": type } : {}) : { "Content-Type": "application/json" };
  const body = json === undefined ? file : JSON.stringify(json);
  for (let tried = 1; ; tried += 1) {
    let answer;
    try {
      answer = await fetch(path, { method, headers, body, signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Failed(0, { code: "unreachable" });
    }
    const text = await answer.text();
    if (answer.ok) return text ? JSON.parse(text) : {};
    if (answer.status === 503 && tried < TRIES) {
      await pause(Number(answer.headers.get("Retry-After")) || 1, signal);
      continue;
    }
    if (answer.status === 401 && path !== "/login") tell("stranger");
    throw told(answer.status, text, answer.headers.get("X-Request-ID") || "");
  }
}

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "")).toString();

export const what = () => call("GET", "/what");
export const search = (ask, signal) => call("POST", "/search", { json: ask, signal });

/** Files one after the other; `where`: conditions, all of which hold; `sort`: "", "date" or "-date". */
export function items(state, after, k, { where = [], sort = "" } = {}, signal) {
  const conditions = where.map((one) => `&where=${encodeURIComponent(one)}`).join("");
  return call("GET", `/items?${query({ state, after, k, sort })}${conditions}`, { signal });
}

export const item = (id) => call("GET", `/items/${id}`);
export const upload = (file) => call("POST", "/uploads", { file, type: file.type });
export const explain = (ask, signal) => call("POST", "/explain", { json: ask, signal });
export const feedback = (marks) => call("POST", "/feedback", { json: marks });
export const ledger = () => call("GET", "/ledger");
export const report = () => call("GET", "/report");
export const names = () => call("GET", "/names");
export const teach = (name, ids) => call("POST", "/teach", { json: { name, items: ids } });
export const forget = (name) => call("DELETE", `/names/${encodeURIComponent(name)}`);
export const login = (token) => call("POST", "/login", { json: { token } });
export const logout = () => call("POST", "/logout");

/** The address of an item's still, whose longer side is at least `pixels` where there is such a one; `at`: seconds. */
export function still(id, pixels, at) {
  const side = [200, 400, 800, 1600].find((one) => one >= pixels) || 1600;
  return `/media/${id}/still?side=${side}${at === undefined ? "" : `&at=${at.toFixed(1)}`}`;
}

/** The address of an item's sound or video, from `start` to `end` seconds where they are known. */
export function media(id, start, end) {
  if (start === null || start === undefined) return `/media/${id}`;
  return `/media/${id}#t=${start}${end ? `,${end}` : ""}`;
}

/** Add a file; `progress` hears the share that was sent, 0 to 1. Where others write (503) it is sent again later. */
export async function add(file, progress) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await sending(file, progress);
    } catch (error) {
      if (error.status !== 503 || tried === ADDED) throw error;
      await pause(AGAIN);
    }
  }
}

/** One try; fetch tells nothing of how far it is, so this is the older way. */
function sending(file, progress) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/items?${query({ name: file.name })}`);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener("load", () => {
      if (request.status < 300) done(JSON.parse(request.responseText));
      else fail(told(request.status, request.responseText, request.getResponseHeader("X-Request-ID") || ""));
    });
    request.addEventListener("error", () => fail(new Failed(0, { code: "unreachable" })));
    request.send(file);
  });
}
