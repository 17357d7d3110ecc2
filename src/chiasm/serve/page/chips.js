// What is asked with beside the words, as chips that can be taken away: a file, items, and the marks of more and less.
import * as api from "./api.js";
import { change, now } from "./asking.js";
import { hear } from "./bus.js";
import { $, iconButton, make } from "./dom.js";
import { icon } from "./icons.js";
import { unmark } from "./marking.js";
import { kinds, parted } from "./question.js";
import { clock, kindly, say } from "./words.js";

const previews = new Map(); // upload -> address of the file that was sent, while this page stands

/** Keep a picture of a file that was sent, to show on its chip. */
export function preview(upload, file) {
  if (file.type.startsWith("image/")) previews.set(upload, URL.createObjectURL(file));
}

hear("question", () => {
  const { upload, items, more, less } = now.question;
  const chips = [];
  if (upload) {
    const source = previews.get(upload.upload);
    const look = source ? make("img", { src: source, alt: "" }) : icon(upload.kind === "audio" ? "sound" : "picture");
    const name = upload.name || kindly(upload.kind);
    chips.push(chip(look, name, name, () => change({ upload: null })));
  }
  const without = (id) => change({ items: items.filter((one) => one !== id) });
  for (const id of items) chips.push(ofItem(id, "", "likeItem", () => without(id)));
  for (const id of more) chips.push(ofItem(id, "plus", "moreItem", () => unmark(id)));
  for (const id of less) chips.push(ofItem(id, "minus", "lessItem", () => unmark(id)));
  $("chips").replaceChildren(...chips);
});

function ofItem(name, sign, says, remove) {
  const { id, start } = parted(name);
  const shows = kinds(now.what).some(({ kind }) => kind !== "audio");
  const look = shows ? make("img", { src: api.still(id, 200, start), alt: "" }) : icon("sound");
  look.addEventListener("error", () => look.replaceWith(icon("sound")), { once: true });
  const time = start === undefined ? null : clock(start);
  const made = chip(look, say(says, { id: time ? `${id}, ${time}` : id }), time, remove);
  if (sign) {
    made.classList.add(sign);
    made.prepend(icon(sign));
  }
  return made;
}

function chip(look, name, text, remove) {
  const away = iconButton("close", say("remove", { what: name }), () => {
    remove();
    ($("chips").querySelector("button") || $("words")).focus();
  });
  return make("li", { class: "chip", title: name }, look, text ? make("span", { class: "text" }, text) : null, away);
}
