// Adding files: sent two at a time, each with a line that tells how far it is and what became of it.
import * as api from "./api.js";
import { can, now, run } from "./asking.js";
import { tell } from "./bus.js";
import { $, iconButton, make, wordButton } from "./dom.js";
import { isBlank } from "./question.js";
import { reason } from "./states.js";
import { say, sent } from "./words.js";

const AT_ONCE = 2;

const tray = $("tray");
const waiting = [];
let running = 0;

$("add").addEventListener("click", () => $("files").click());
$("files").addEventListener("change", ({ target }) => {
  add([...target.files]);
  target.value = "";
});

/** Adding is offered where the server takes files from this visitor. */
export const furnishAdding = () => ($("add").hidden = !can("add"));

/** Add files, in their order; `others` are no media: a line each says so. */
export function add(files, others = []) {
  if (!tray.children.length) {
    const close = iconButton("close", say("close"), () => {
      tray.hidden = true;
      tray.replaceChildren();
    });
    tray.append(make("header", {}, make("h2", {}, say("adding")), close), make("ul"));
  }
  tray.hidden = false;
  for (const file of files) {
    const said = make("span", { class: "quiet", role: "status" }, say("waitingTurn"));
    const bar = make("progress", { max: 1, value: 0, "aria-label": file.name });
    const line = make("li", {}, make("span", { class: "name" }, file.name), said, bar);
    tray.querySelector("ul").append(line);
    waiting.push({ file, line, said, bar });
  }
  for (const { name } of others) {
    const said = make("span", { class: "wrong", role: "status" }, say("notAdded"));
    tray.querySelector("ul").append(make("li", {}, make("span", { class: "name" }, name), said));
  }
  while (running < AT_ONCE && waiting.length) send(waiting.shift());
}

async function send({ file, line, said, bar }) {
  running += 1;
  said.textContent = say("uploading");
  try {
    const { item, message } = await api.add(file, (share) => {
      bar.value = share;
      if (share === 1) said.textContent = say("readingIt");
    });
    if (item.state === "failed") throw new api.Failed(200, { message: message || item.code, code: item.code });
    said.textContent = sent(message, item.code) || say(item.state === "waiting" ? "waiting" : "added");
    line.append(wordButton(say("open"), () => tell("open", { hit: item }), { class: "plain" }));
    now.added = true;
  } catch (error) {
    said.textContent = reason(error);
    said.className = "wrong";
  }
  bar.remove();
  running -= 1;
  if (waiting.length) send(waiting.shift());
  else if (!running && now.added) refresh();
}

/** What was added is seen: the counts, and the answers where nothing would move under the reader. */
async function refresh() {
  now.added = false;
  now.what = { ...(await api.what()), entered: now.what.entered };
  if (isBlank(now.question) ? now.next === null : scrollY < 100) run();
}
