// Asking while it is typed: the question that stands, the answers to it, page by page; what is stale is dropped.
import * as api from "./api.js";
import { tell } from "./bus.js";
import { asked, blank, browsed, fromHash, isBlank, toHash } from "./question.js";

const PAUSE = 200; // milliseconds without a letter, before what is typed is asked
const SETTLED = 700; // and after its answer, before half a word is said to match nothing
const PAGE = 48;

/**
 * What stands now. `hits`: all answers so far. `next`: where the following page starts, null at the end.
 * `judged`: whether what does not match was left out; `unjudged`: whether that was asked for and could not be done.
 */
export const now = { what: null, question: blank(), hits: [], next: null, judged: false, unjudged: false };

let running = null;
let timer = 0;
let typed = false; // whether this entry of the history is one that typing made, and goes on changing

/** Whether the server does a thing, and lets this visitor do it. */
export function can(name) {
  const needs = { add: "write", teach: "write" }[name] || "read";
  return Boolean(now.what?.can.includes(name) && now.what.scopes.includes(needs));
}

/** Begin: the question of the address is asked, and asked again on back and forward. */
export function start(what) {
  now.what = what;
  now.question = fromHash(location.hash);
  tell("question");
  run();
}

addEventListener("popstate", () => {
  if (!now.what || toHash(fromHash(location.hash)) === toHash(now.question)) return;
  typed = false;
  now.question = fromHash(location.hash);
  tell("question");
  run();
});

/** Change the question. `typing`: it waits for a pause, and the letters make one entry of the history together. */
export function change(changes, { typing = false } = {}) {
  now.question = { ...now.question, ...changes };
  now.unjudged = false;
  if (isBlank(now.question)) now.question = { ...now.question, more: [], less: [] };
  const address = `#${toHash(now.question)}`;
  if (address !== (location.hash || "#")) {
    if (typing && typed) history.replaceState(null, "", address);
    else history.pushState(null, "", address);
  }
  typed = typing;
  tell("question");
  clearTimeout(timer);
  if (typing) timer = setTimeout(run, PAUSE);
  else run();
}

/** Ask what stands, from its first page. */
export async function run() {
  clearTimeout(timer);
  const answer = await page(0);
  if (!answer) return;
  now.hits = answer.hits;
  tell("answer", answer);
}

/** Ask for the following page, unless something is being asked. */
export async function further() {
  if (running || now.next === null) return;
  const answer = await page(now.next);
  if (!answer) return;
  now.hits = [...now.hits, ...answer.hits];
  tell("further", answer);
}

/** A page of answers; null where it failed, which is told, or where a newer question took its place. */
async function page(from) {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  tell("asking", { first: from === 0 });
  try {
    const answer = isBlank(now.question) ? await everything(from, mine.signal) : await found(from, mine.signal);
    if (answer.rejected && typed) await new Promise((done) => setTimeout(done, SETTLED)); // a next letter may find some
    if (running !== mine) return null;
    Object.assign(now, { next: answer.next, judged: answer.judged, unjudged: answer.unjudged });
    return answer;
  } catch (error) {
    if (running === mine && error.name !== "AbortError") {
      if (from === 0) Object.assign(now, { hits: [], next: null }); // what stood there answered another question
      tell("failed", error);
    }
    return null;
  } finally {
    if (running === mine) {
      running = null;
      tell("asked");
    }
  }
}

async function found(skip, signal) {
  const ask = asked(now.question, now.what, skip, PAGE);
  const answer = await api.search(ask, signal);
  const unjudged = "reject" in ask && !answer.judged;
  return { ...answer, next: answer.more ? skip + PAGE : null, browsing: false, unjudged };
}

/** Without a question: all that can be searched and meets the filters, in the order in which it was seen or of dates. */
async function everything(after, signal) {
  const { sort } = now.question;
  const answer = await api.items("searchable", after, PAGE, { where: browsed(now.question, now.what), sort }, signal);
  return { hits: answer.items, next: answer.next, notes: answer.notes, rejected: false, judged: false, unjudged: false, browsing: true };
}
