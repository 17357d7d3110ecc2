// What stands where answers would: nothing matches, nothing is here, it failed; and what is read out while asking.
import { can, change, further, now, run } from "./asking.js";
import { hear } from "./bus.js";
import { $, make, wordButton } from "./dom.js";
import { browsed, conditions, isBlank, judgeable } from "./question.js";
import { say, sent } from "./words.js";

const SLOW = 250; // milliseconds before the page says that it is looking: most answers come sooner

const state = $("state");
const status = $("status");
let timer = 0;

/** The following page is asked for before its button is seen. */
const near = new IntersectionObserver(([one]) => one.isIntersecting && further(), { rootMargin: "600px" });

/** Say something to those who hear the page, and nothing else. */
export const aloud = (text) => ($("said").textContent = text);

hear("asking", () => {
  clearTimeout(timer);
  timer = setTimeout(() => {
    $("busy").hidden = false;
    document.querySelector("main").setAttribute("aria-busy", "true");
  }, SLOW);
});

hear("asked", () => {
  clearTimeout(timer);
  $("busy").hidden = true;
  document.querySelector("main").removeAttribute("aria-busy");
});

hear("answer", (answer) => {
  state.hidden = true;
  count(answer);
  if (answer.hits.length) return;
  const chosen = (answer.browsing ? browsed : conditions)(now.question, now.what).length > 0;
  if (answer.browsing && !chosen) nothing("empty", "emptySaid", can("add") && ["add", () => $("add").click(), "plus"]);
  else if (answer.rejected && chosen) nothing("noneMatches", "noneChosenSaid", ["clearFilters", cleared], nearest);
  else if (answer.rejected) nothing("nothing", "nothingSaid", nearest);
  else if (chosen) nothing("noneChosen", "noneChosenSaid", ["clearFilters", cleared]);
  else nothing("nothing", "nothingSaid");
});

hear("further", count);
hear("shown", () => {
  $("further").hidden = now.next === null;
  $("nearer").hidden = now.next !== null || !now.judged || !now.hits.length;
  near.disconnect(); // looked at anew: it may be as near as before
  near.observe($("further"));
});
hear("trouble", (error) => failed(error, null));
hear("failed", (error) => error.status !== 401 && failed(error, now.what ? run : () => location.reload()));

$("further").addEventListener("click", further);
$("nearer").addEventListener("click", () => change({ all: true }));

const nearest = ["nearest", () => change({ all: true })];
const cleared = () => change({ from: "", until: "", caption: "", ...(isBlank(now.question) ? { kind: "" } : {}) });

function count({ browsing, notes }) {
  const n = now.hits.length;
  const all = browsing && !browsed(now.question, now.what).length;
  const [whole, more] = browsing ? ["browsing", "browsingMore"] : ["count", "countMore"];
  const total = Object.values(now.what.held);
  const said = all && total.length === 1 ? say(whole, { n: total[0] }) : say(now.next === null ? whole : more, { n });
  const alike = !browsing && n && can("reject") && !now.question.all && !judgeable(now.question, now.what);
  status.textContent = [n || browsing ? said : say("nothing"), alike && say("unjudgedAlike"), ...notes.map(sent)].filter(Boolean).join(" · ");
}

function nothing(head, said, ...does) {
  $("further").hidden = true;
  const button = ([name, press, drawn]) => wordButton(say(name), press, { class: "plain", name: drawn });
  put("calm", say(head), say(said), ...does.filter(Boolean).map(button));
}

/** What failed, in the server's words or in Chinese ones, with the number of the request. */
export function reason(error) {
  const plain = say(error.code === "unreachable" ? "unreachable" : "failedSaid");
  const said = sent(error.message || "", error.code) || plain;
  return error.request ? `${said} ${say("request", { request: error.request })}` : said;
}

function failed(error, again) {
  status.textContent = say("failed");
  const said = error.code === "upload" ? say("gone") : reason(error);
  put("bad", say("failed"), said, ...(again ? [wordButton(say("again"), again, { class: "plain" })] : []));
}

function put(manner, head, said, ...buttons) {
  state.className = `state ${manner}`;
  state.setAttribute("role", manner === "bad" ? "alert" : "note");
  state.replaceChildren(make("h2", {}, head), make("p", {}, said), make("div", { class: "row" }, buttons));
  state.hidden = false;
  if (manner === "bad") state.scrollIntoView({ block: "nearest" });
}
