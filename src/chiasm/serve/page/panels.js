// About this collection: what became of every file, what the model says of itself, the keys, and the way out.
import * as api from "./api.js";
import { now } from "./asking.js";
import { $, closable, make, show, wordButton } from "./dom.js";
import { facts, plain } from "./facts.js";
import { icon } from "./icons.js";
import { reported } from "./report.js";
import { reason } from "./states.js";
import { say, why } from "./words.js";

const about = $("about");
const FAILED = 50; // files that failed, at a time

closable(about);
$("about-open").addEventListener("click", open);

/** The head of a panel: its title, and a button that closes it. */
export function panelHead(id, title) {
  const close = make("button", { type: "button", class: "icon close", "aria-label": say("close"), title: say("close") }, icon("close"));
  return make("header", {}, make("h2", { id }, title), close);
}

function open() {
  const parts = [part("ledger", ledger), part("report", report), keys()];
  const docs = make("a", { href: "/docs" }, say("docs"));
  about.replaceChildren(panelHead("about-head", say("about")), ...parts, make("p", { class: "row" }, docs, out()));
  show(about);
  about.scrollTop = 0;
}

/** A section that is filled once it is known, or says why not. */
function part(name, fill) {
  const body = make("div", {}, make("p", { class: "quiet" }, say("asking")));
  fill().then(
    (children) => body.replaceChildren(...children),
    (error) => body.replaceChildren(make("p", { class: "wrong" }, reason(error))),
  );
  return make("section", {}, make("h3", {}, say(name)), body);
}

async function ledger() {
  const { seen, searchable, failed, waiting, reasons, passed_over: over } = await api.ledger();
  const number = (name, n) => make("div", {}, make("dt", {}, say(name)), make("dd", {}, plain(n)));
  const parts = { searchable, failedCount: failed, waiting };
  const shares = Object.entries(parts).filter(([, n]) => n);
  const bars = shares.map(([name, n]) => {
    const bar = make("span", { class: name });
    bar.style.flexGrow = n;
    return bar;
  });
  return [
    make("dl", { class: "numbers" }, number("seen", seen), ...Object.entries(parts).map(([name, n]) => number(name, n))),
    seen ? make("div", { class: "shares", "aria-hidden": "true" }, bars) : "",
    Object.keys(reasons).length ? facts(told(reasons)) : "",
    failed ? failures() : "",
    Object.keys(over).length ? make("div", {}, make("h4", {}, say("passedOver")), facts(told(over))) : "",
  ];
}

/** Counts by reason, with the reasons in words. */
const told = (counts) => Object.fromEntries(Object.entries(counts).map(([code, n]) => [why(code), n]));

/** The files that failed, listed once it is opened, so many at a time. */
function failures() {
  const list = make("ul", { class: "lines" });
  const made = make("details", {}, make("summary", {}, say("failedFiles")), list);
  const fetched = async (after) => {
    try {
      const { items, next } = await api.items("failed", after, FAILED);
      list.append(...items.map(({ id, path, code }) => make("li", {}, make("span", {}, path || id), make("code", {}, why(code)))));
      if (next === null) return;
      const button = wordButton(say("further"), () => (button.remove(), fetched(next)), { class: "plain" });
      made.append(button);
    } catch (error) {
      made.append(make("p", { class: "wrong" }, reason(error)));
    }
  };
  made.addEventListener("toggle", () => fetched(0), { once: true });
  return made;
}

const report = async () => reported(await api.report());

function keys() {
  const known = [
    ["/", "keySlash"],
    ["← ↑ ↓ →", "keyArrows"],
    ["Enter", "keyEnter"],
    ["m n", "keyMarks"],
    ["Space", "keySpace"],
    ["Esc", "keyEscape"],
  ];
  const rows = known.map(([key, name]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, say(name))));
  return make("section", {}, make("h3", {}, say("keys")), make("dl", { class: "facts" }, rows));
}

/** Logging out, for those who had to log in: what they may do is less than all. */
function out() {
  if (!now.what.entered) return null;
  return wordButton(say("logout"), () => api.logout().then(() => location.reload()), { class: "plain" });
}
