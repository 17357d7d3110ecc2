// Of a collection of several kinds: which kind is searched, or looked through, and the others one press away.
import { change, now } from "./asking.js";
import { hear } from "./bus.js";
import { $, make } from "./dom.js";
import { isBlank, kinds } from "./question.js";
import { say } from "./words.js";

/** The kind that answers now: what is looked through without a question is all, unless one is chosen. */
const current = (all) => (all.includes(now.question.kind) ? now.question.kind : isBlank(now.question) ? "" : all[0]);

function refresh() {
  if (!now.what) return;
  const all = kinds(now.what).map(({ kind }) => kind);
  const offered = isBlank(now.question) ? ["", ...all] : all;
  const focused = $("kinds").contains(document.activeElement) && document.activeElement.dataset.kind;
  const made = offered.map((kind) => {
    const pressed = String(kind === current(all));
    const on = { click: () => change({ kind }) };
    return make("button", { type: "button", class: "plain", "aria-pressed": pressed, data: { kind }, on }, say(kind || "allKinds"));
  });
  $("kinds").hidden = all.length < 2;
  $("kinds").replaceChildren(...made);
  made.find((one) => focused !== false && one.dataset.kind === focused)?.focus();
}

hear("question", refresh);
