// Names: taught from selected pictures, listed with what was measured of them, searched for, forgotten.
import * as api from "./api.js";
import { can, change, now } from "./asking.js";
import { hear } from "./bus.js";
import { $, closable, make, show, wordButton } from "./dom.js";
import { plain } from "./facts.js";
import { unpick } from "./picking.js";
import { blank } from "./question.js";
import { reason } from "./states.js";
import { panelHead } from "./panels.js";
import { say, sent } from "./words.js";

const teach = $("teach");
const list = $("names");
const MOST = 12; // pictures that are shown of those that are selected

closable(teach);
closable(list);
hear("teach", ({ ids }) => ids.length && ask(ids));
$("names-open").addEventListener("click", names);

/** Ask for the name of some items, teach it, and show what it measured. */
function ask(ids) {
  const said = make("div", { role: "status" });
  const field = make("input", { id: "name", type: "text", required: true, maxlength: 60, autocomplete: "off" });
  const go = make("button", { class: "strong" }, say("teachDo"));
  const looks = ids.slice(0, MOST).map((id) => make("img", { src: api.still(id, 200), alt: "" }));
  const form = make(
    "form",
    {},
    make("p", { class: "quiet" }, say("teachSaid")),
    make("div", { class: "looks", "aria-label": say("selected", { n: ids.length }), role: "img" }, looks),
    make("label", { for: "name" }, say("name")),
    make("div", { class: "row" }, field, go),
    said,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    said.replaceChildren(make("p", { class: "quiet" }, say("teaching")));
    try {
      const named = await api.teach(field.value.trim(), ids);
      said.replaceChildren(make("p", {}, say("taught", { name: named.name })), ...learned(named.told), seek(named.name, teach));
      go.hidden = true;
      field.readOnly = true;
      unpick();
    } catch (error) {
      said.replaceChildren(make("p", { class: "wrong" }, reason(error)));
    }
    go.disabled = false;
  });
  teach.replaceChildren(panelHead("teach-head", say("teach")), form);
  show(teach);
  field.focus();
}

/** What was learned: from how many files, how each is found by the others, and what is most like them. */
function learned({ pictures, measured, note, alike }) {
  const parts = [make("p", { class: "quiet" }, say("taughtBy", { n: pictures }))];
  if (measured) {
    const [value, low, high, chance] = [...["value", "low", "high"].map((one) => measured.first_10[one]), measured.chance].map(
      (share) => Math.round(100 * share),
    );
    const said = { value, low, high, chance, of: plain(measured.of), rank: plain(measured.median_rank) };
    parts.push(make("p", {}, say("taughtFound", said)));
  }
  if (note) parts.push(make("p", { class: "wrong" }, sent(note)));
  if (alike?.length) {
    const looks = alike.map((id) => make("img", { src: api.still(id, 200), alt: say("unnamed", { kind: say("file"), id }) }));
    parts.push(make("p", {}, say("taughtAlike")), make("div", { class: "looks" }, looks));
  }
  return parts;
}

const seek = (name, dialog) =>
  wordButton(
    say("search"),
    () => {
      dialog.close();
      change({ ...blank(), words: name });
    },
    { class: "plain", name: "search" },
  );

async function names() {
  const place = make("div", {}, make("p", { class: "quiet" }, say("asking")));
  list.replaceChildren(panelHead("names-head", say("names")), place);
  show(list);
  try {
    const known = await api.names();
    place.replaceChildren(known.length ? make("ul", { class: "cards" }, known.map(card)) : none());
  } catch (error) {
    place.replaceChildren(make("p", { class: "wrong", role: "alert" }, reason(error)));
  }
}

const none = () => make("p", { class: "quiet" }, say("noNames"));

function card({ name, told }) {
  const made = make("li", {}, make("h3", {}, name), make("p", { class: "quiet" }, say(told.lost ? "taughtLost" : "taughtBy", { n: told.pictures })));
  const acts = make("div", { class: "row" }, seek(name, list));
  if (can("teach")) acts.append(forgetting(name, made));
  made.append(acts);
  return made;
}

/** Forgetting asks once more, in the same place. */
function forgetting(name, made) {
  let sure = false;
  const button = wordButton(
    say("forget"),
    async () => {
      if (!sure) {
        sure = true;
        button.querySelector("span").textContent = say("forgetSure");
        button.classList.add("bad");
        return;
      }
      try {
        await api.forget(name);
        const cards = made.parentElement;
        made.remove();
        if (!cards.children.length) cards.replaceWith(none());
        list.querySelector(".close").focus();
      } catch (error) {
        made.append(make("p", { class: "wrong", role: "alert" }, reason(error)));
      }
    },
    { class: "plain", name: "trash", "aria-label": `${say("forget")}: ${name}` },
  );
  return button;
}

/** The names are listed where the server can be taught, or knows some. */
export function furnishNames() {
  $("select").hidden = !can("teach");
  $("names-open").hidden = !can("teach") && !now.what.names.length;
}
