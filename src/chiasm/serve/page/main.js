// The page begins here: it asks what is served, shows what there is a use for, and asks what its address says.
import { furnishAdding } from "./adding.js";
import * as api from "./api.js";
import { change, now, start } from "./asking.js";
import { hear, tell } from "./bus.js";
import "./chips.js";
import { $, furnish } from "./dom.js";
import { furnishFiles } from "./files.js";
import { furnishFilters } from "./filters.js";
import { enter } from "./grid.js";
import "./kinds.js";
import { entered } from "./login.js";
import "./panels.js";
import { unpick } from "./picking.js";
import { blank } from "./question.js";
import { furnishRecording } from "./recording.js";
import "./settings.js";
import "./states.js";
import { furnishNames } from "./teaching.js";
import "./viewer.js";

const words = $("words");
let composing = false; // whether letters are being put together, as for Chinese: what stands there is no word yet

words.addEventListener("compositionstart", () => (composing = true));
words.addEventListener("compositionend", () => {
  composing = false;
  change({ words: words.value }, { typing: true });
});
words.addEventListener("input", () => composing || change({ words: words.value }, { typing: true }));
words.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" || composing) return;
  event.preventDefault();
  enter();
});

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  change({ words: words.value });
  if (matchMedia("(pointer: coarse)").matches) words.blur(); // so that the keyboard makes room for the answers
});

$("home").addEventListener("click", () => {
  unpick();
  change(blank());
  scrollTo({ top: 0 });
});

$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  enter();
});

hear("question", () => {
  if (words.value !== now.question.words) words.value = now.question.words;
  const asked = now.question.words.trim();
  document.title = asked ? `${asked} · Chiasm` : "Chiasm";
});

addEventListener("keydown", (event) => {
  const writing = event.target.matches?.("input, textarea, select") || document.querySelector("dialog[open]");
  if (event.key !== "/" || writing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  words.focus();
  words.select();
});

async function begin() {
  furnish();
  let what;
  try {
    what = await api.what();
  } catch (error) {
    tell("failed", error);
    return;
  }
  start({ ...what, entered: entered() });
  furnishFiles();
  furnishFilters();
  furnishRecording();
  furnishAdding();
  furnishNames();
}

begin();
