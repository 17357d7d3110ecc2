// One item, large: its picture, sound or video from its second, what is known of it, why it answers, what is like it.
import * as api from "./api.js";
import { can, now } from "./asking.js";
import { hear } from "./bus.js";
import { $, closable, iconButton, make, show, wordButton } from "./dom.js";
import { tiles } from "./grid.js";
import { icon } from "./icons.js";
import { alone, less, more } from "./marking.js";
import { isBlank, parted, toHash } from "./question.js";
import { addressed, folded, isMoment, middle, pictured, spoken } from "./tile.js";
import { called, clock, day, kindly, say } from "./words.js";
import { explained, named } from "./why.js";

const viewer = $("viewer");
let hit = null;
let asking = null; // an explanation under way
let ours = false; // whether the history's entry was made by opening, so that closing goes back

closable(viewer);
hear("open", ({ hit: wanted, alike }) => open(wanted, alike));
hear("answer", () => opened() && !viewer.open && byAddress());
addEventListener("popstate", () => (opened() ? byAddress() : viewer.open && viewer.close()));

/** What the address says is open, an item or a moment of one; "" where nothing is. */
const opened = () => new URLSearchParams(location.hash.slice(1)).get("open") || "";

const address = (name) => `#${[toHash(now.question), `open=${name}`].filter(Boolean).join("&")}`;

function open(wanted, alike = false) {
  ours = !viewer.open || ours;
  if (viewer.open) history.replaceState(history.state, "", address(addressed(wanted)));
  else history.pushState(null, "", address(addressed(wanted)));
  draw(wanted);
  if (alike) viewer.querySelector(".strip button")?.focus();
}

async function byAddress() {
  const name = opened();
  if (viewer.open && hit && String(addressed(hit)) === name) return;
  const { id } = parted(name);
  const wanted = now.hits.find((one) => String(addressed(one)) === name) || (await api.item(id).catch(() => null));
  if (wanted && opened() === name) draw(wanted);
}

viewer.addEventListener("close", () => {
  asking?.abort();
  viewer.replaceChildren(); // what plays falls silent
  const left = tiles().find((one) => one.hit === hit);
  hit = null;
  if (opened() && ours) history.back();
  else if (opened()) history.replaceState(null, "", `#${toHash(now.question)}`);
  ours = false;
  left?.element.querySelector(".face").focus();
});

function step(by) {
  const index = now.hits.indexOf(hit) + by;
  if (now.hits[index]) open(now.hits[index]);
}

viewer.addEventListener("keydown", (event) => {
  if (event.target.matches("video, audio, input")) return;
  if (event.key === "ArrowLeft") step(-1);
  else if (event.key === "ArrowRight") step(1);
  else return;
  event.preventDefault();
});

function draw(wanted) {
  asking?.abort();
  asking = new AbortController();
  hit = wanted;
  const index = now.hits.indexOf(hit); // not by its id: moments of one film share it
  const frame = make("div", { class: "frame" }, stage(hit));
  const told = make("div", { class: "told", "aria-live": "polite" });
  const explains = can("explain") && !isBlank(now.question);
  const ask = explains
    ? wordButton(say("why"), () => explained(hit, told, frame, asking.signal), { class: "plain", name: "why" })
    : null;
  const back = iconButton("left", say("previous"), () => step(-1), { class: "icon turn back" });
  const on = iconButton("right", say("next"), () => step(1), { class: "icon turn on" });
  back.hidden = index <= 0;
  on.hidden = index < 0 || index >= now.hits.length - 1;
  const close = make("button", { type: "button", class: "icon close", "aria-label": say("close"), title: say("close") }, icon("close"));
  viewer.setAttribute("aria-label", spoken(hit));
  const focused = document.activeElement?.classList;
  const held = focused?.contains("turn") ? (focused.contains("back") ? back : on) : close;
  viewer.replaceChildren(
    make("div", { class: "stage" }, back, frame, on),
    make("aside", { class: "facts-side" }, close, head(hit), acts(hit, ask), told, named(hit.why), known(hit), strip(hit)),
  );
  show(viewer);
  (held.hidden ? close : held).focus();
}

function stage({ id, kind, start, end, caption }) {
  if (kind === "image") {
    return make("img", { draggable: "false", src: api.still(id, 1600), alt: caption || say("unnamed", { kind: kindly(kind), id }) });
  }
  const played = make(kind, { src: api.media(id, start, end), controls: true, preload: "metadata" });
  if (kind === "video") Object.assign(played, { poster: api.still(id, 800, middle({ kind, start, end })), playsInline: true });
  played.play?.().catch(() => null); // a browser may want a click of its own first
  return kind === "video" ? played : make("div", { class: "voice" }, icon("sound"), played);
}

const head = (one) => make("h2", {}, spoken(one));

function acts(one, ask) {
  const away = (does) => () => {
    ours = false; // the new question is an entry of its own: going back would undo it
    history.replaceState(null, "", `#${toHash(now.question)}`);
    viewer.close();
    does(one);
  };
  const blank = isBlank(now.question);
  const plain = { class: "plain" };
  return make(
    "div",
    { class: "row" },
    wordButton(say("more"), away(more), { ...plain, name: "plus" }),
    blank ? null : wordButton(say("less"), away(less), { ...plain, name: "minus" }),
    blank ? null : wordButton(say("alone"), away(alone), { ...plain, name: "search" }),
    ask,
  );
}

function known(one) {
  const rows = [
    [say("kind"), kindly(one.kind)],
    [say("date"), day(one.date)],
    [say("file"), one.path],
    [say("score"), one.score?.toFixed(3)],
  ].filter(([, value]) => value);
  if (isMoment(one)) {
    rows.unshift([say("momentHead"), say("moment", { start: clock(one.start), end: clock(one.end ?? one.start) })]);
  }
  const text = one.caption && one.caption.trim() !== spoken(one).trim() ? make("p", { class: "whole" }, one.caption) : null;
  const list = rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  return make("div", {}, text, make("dl", { class: "facts" }, list));
}

/** What was folded into an answer: small pictures that open. */
function strip(one) {
  if (!folded(one).length) return null;
  const made = make("div", { class: "strip" }, make("h3", {}, say("alikeHead")));
  for (const [kind, ids] of Object.entries(one.alike)) {
    for (const id of ids.filter((other) => other !== one.id)) {
      const name = `${called(kind)}: ${say("unnamed", { kind: kindly(one.kind), id })}`;
      const look = pictured(one) ? make("img", { src: api.still(id, 200), alt: "" }) : icon("sound");
      const shows = make("button", { type: "button", "aria-label": name, title: called(kind) }, look);
      shows.addEventListener("click", async () => draw({ ...(await api.item(id)), alike: { [kind]: [one.id, ...ids] } }));
      made.append(shows);
    }
  }
  return made;
}
