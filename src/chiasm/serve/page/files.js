// Files to ask with: chosen, dropped or pasted. What is dropped may be added instead, where the server takes files.
import { add } from "./adding.js";
import * as api from "./api.js";
import { can, change, now } from "./asking.js";
import { hear, tell } from "./bus.js";
import { preview } from "./chips.js";
import { $ } from "./dom.js";
import { aloud } from "./states.js";
import { say } from "./words.js";

const MEDIA = ["image", "audio", "video"];
const ENDINGS = /\.(jpe?g|png|webp|gif|bmp|tiff?|avif|heic|mp3|wav|flac|og[ga]|opus|m4a|aac|mp4|m4v|mov|webm|mkv)$/i;

const drop = $("drop");
let depth = 0; // of elements that a drag is inside of

/** The kinds of files that can be asked with. */
export const askable = () => [...new Set(Object.values(now.what.views))].filter((one) => MEDIA.includes(one));

/** The button for a file, and what the box says, by what this server can be asked with. */
export function furnishFiles() {
  const kinds = askable();
  $("choose").hidden = !kinds.length;
  $("file").accept = kinds.map((kind) => `${kind}/*`).join(",");
  $("words").dataset.hint = kinds.includes("image") ? "searchHint" : "searchHintWords";
  $("words").placeholder = say($("words").dataset.hint);
}

/** Ask with a file, together with the words that stand there. */
export async function askWith(file) {
  if (!askable().includes(file.type.split("/")[0])) {
    tell("trouble", new api.Failed(0, { message: say("dropNot") }));
    return;
  }
  aloud(say("uploading"));
  tell("asking", { first: true });
  try {
    const { upload, kind } = await api.upload(file);
    preview(upload, file);
    change({ upload: { upload, kind, name: file.name } });
  } catch (error) {
    tell("asked");
    tell("trouble", error);
  }
}

$("choose").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", ({ target }) => {
  if (target.files.length) askWith(target.files[0]);
  target.value = "";
});

addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files || [])][0];
  if (!file || !now.what || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  askWith(file);
});

const holdsFiles = (event) => now.what && event.dataTransfer?.types.includes("Files");

addEventListener("dragenter", (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  depth += 1;
  $("drop-ask").hidden = !askable().length;
  $("drop-add").hidden = !can("add");
  drop.hidden = false;
});

addEventListener("dragleave", () => {
  depth = Math.max(0, depth - 1);
  if (!depth) drop.hidden = true;
});

addEventListener("dragover", (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  $("drop-add").classList.toggle("over", $("drop-add").contains(event.target));
  $("drop-ask").classList.toggle("over", $("drop-ask").contains(event.target));
});

addEventListener("drop", (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  depth = 0;
  drop.hidden = true;
  const isMedia = (file) => MEDIA.includes(file.type.split("/")[0]) || ENDINGS.test(file.name);
  const dropped = [...event.dataTransfer.files];
  const files = dropped.filter(isMedia);
  const others = dropped.filter((file) => !isMedia(file));
  if (!files.length && !(can("add") && others.length && $("drop-add").contains(event.target))) tell("trouble", new api.Failed(0, { message: say("dropNot") }));
  else if (can("add") && ($("drop-add").contains(event.target) || files.length > 1)) add(files, others);
  else askWith(files[0]);
});

hear("answer", () => aloud(""));
