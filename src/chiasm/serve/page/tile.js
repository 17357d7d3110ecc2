// One answer in the grid: its picture, its caption, when a moment plays, what is folded into it, and what to do with it.
import * as api from "./api.js";
import { iconButton, make } from "./dom.js";
import { icon } from "./icons.js";
import { clock, kindly, say } from "./words.js";

/** What an item is called in words: its caption, its file's name, or its kind and number. */
export function spoken(hit) {
  const file = (hit.path || "").split("/").pop();
  return hit.caption?.split("\n")[0] || file || say("unnamed", { kind: kindly(hit.kind), id: hit.id });
}

/** The ids that are folded into an answer. */
export const folded = (hit) => [...new Set(Object.values(hit.alike || {}).flat())].filter((id) => id !== hit.id);

/** Whether an answer is a moment of a long sound or video. */
export const isMoment = ({ start }) => typeof start === "number";

/** How the address names an answer: its id, with @ and the second where it is a moment. */
export const addressed = (hit) => (isMoment(hit) ? `${hit.id}@${hit.start.toFixed(2)}` : hit.id);

/** The second whose picture stands for a moment of a video; undefined for what is whole. */
export const middle = (hit) => (hit.kind === "video" && isMoment(hit) ? (hit.start + (hit.end ?? hit.start)) / 2 : undefined);

/** Whether an item has a picture to show. */
export const pictured = (hit) => hit.kind !== "audio";

/**
 * The element of an answer. `does`: open, pick, more, less (functions of the hit); `may`: {pick, mark, less}.
 * `picture`: its <img>, made before so that its size is known.
 */
export function tile(hit, picture, does, may) {
  const name = spoken(hit);
  const moment = isMoment(hit);
  const label = moment ? `${name}, ${say("playing", { start: clock(hit.start) })}` : name;
  const face = make("button", { type: "button", class: "face", tabindex: "-1", "aria-label": label });
  face.append(picture || make("span", { class: "voice" }, icon("sound")));
  face.append(make("span", { class: "caption" }, hit.caption?.split("\n")[0] || (pictured(hit) ? "" : name)));
  face.addEventListener("click", (event) => does.open(hit, event));
  const made = make("li", { class: "tile", data: { id: hit.id, kind: hit.kind } }, face);

  if (hit.kind === "video" || moment) {
    const said = moment ? `${clock(hit.start)}${hit.end ? `–${clock(hit.end)}` : ""}` : "";
    made.append(make("span", { class: "moment" }, icon("play"), said));
  }
  const same = folded(hit);
  if (same.length) {
    const shows = make("button", { type: "button", class: "alike", tabindex: "-1" }, `+${same.length}`);
    shows.setAttribute("aria-label", say("alike", { n: same.length }));
    shows.title = say("alike", { n: same.length });
    shows.addEventListener("click", () => does.alike(hit));
    made.append(shows);
  }
  const acts = make("div", { class: "acts" });
  const quiet = { tabindex: "-1" };
  if (may.mark) acts.append(iconButton("plus", `${say("more")}: ${name}`, () => does.more(hit), quiet));
  if (may.less) acts.append(iconButton("minus", `${say("less")}: ${name}`, () => does.less(hit), quiet));
  if (acts.children.length) made.append(acts);
  if (may.pick && !moment) {
    const pick = iconButton("check", say("pick", { what: name }), (event) => does.pick(hit, event), {
      ...quiet,
      class: "pick",
      role: "checkbox",
      "aria-checked": "false",
    });
    made.append(pick);
  }
  return made;
}

/** The <img> of an answer at about `pixels`, and its ratio (width by height) once it is known. */
export function loaded(hit, pixels) {
  const picture = make("img", { alt: "", draggable: "false", decoding: "async", src: api.still(hit.id, pixels, middle(hit)) });
  const ratio = new Promise((done) => {
    picture.addEventListener("load", () => done(picture.naturalWidth / picture.naturalHeight), { once: true });
    picture.addEventListener("error", () => done(null), { once: true });
  });
  return { picture, ratio };
}
