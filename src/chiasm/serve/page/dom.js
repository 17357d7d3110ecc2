// Elements, made in one call; text is always text, never markup.
import { icon } from "./icons.js";
import { say } from "./words.js";

/** The element of an id. */
export const $ = (id) => document.getElementById(id);

/**
 * An element. `attributes`: `on` holds listeners, `data` the dataset, `set` properties; null and false are left out.
 * `children`: nodes and texts; null is left out.
 */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "set") Object.assign(made, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A button of an icon alone; `label` is its name for those who hear the page, and what hovering shows. */
export function iconButton(name, label, press, attributes = {}) {
  const made = make("button", { type: "button", class: "icon", "aria-label": label, title: label, ...attributes });
  made.append(icon(name));
  made.addEventListener("click", press);
  return made;
}

/** A button of words, with an icon before them where one is named. */
export function wordButton(label, press, { name = "", ...attributes } = {}) {
  const made = make("button", { type: "button", ...attributes }, name ? icon(name) : null, make("span", {}, label));
  made.addEventListener("click", press);
  return made;
}

/** Put icons and words where the page names them: data-icon, data-say (text), data-label (name), data-hint. */
export function furnish(root = document) {
  for (const one of root.querySelectorAll("[data-icon]")) {
    if (!one.querySelector("svg")) one.prepend(icon(one.dataset.icon));
  }
  for (const one of root.querySelectorAll("[data-say]")) one.textContent = say(one.dataset.say);
  for (const one of root.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-label", say(one.dataset.label));
    if (one.matches("button, a")) one.title = say(one.dataset.label);
  }
  for (const one of root.querySelectorAll("[data-hint]")) one.placeholder = say(one.dataset.hint);
}

/** Open a dialog over the page: what is behind cannot be reached, Escape closes, and focus goes back where it was. */
export function show(dialog) {
  if (!dialog.open) dialog.showModal();
}

/** Every dialog closes by its buttons of class `close` and by a click beside it. */
export function closable(dialog) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest(".close")) dialog.close();
  });
}
