// Selecting several pictures: by their round boxes, with Shift a run of them, by Space; and what is done with them.
import { hear, tell } from "./bus.js";
import { $, make, wordButton } from "./dom.js";
import { tiles } from "./grid.js";
import { isMoment } from "./tile.js";
import { say } from "./words.js";

const picked = new Set(); // ids
let on = false; // whether a click selects instead of opening
let last = 0; // index of the tile that was selected last: where a run starts

/** The ids that are selected. */
export const selected = () => [...picked];

$("select").addEventListener("click", () => picking(!on));
hear("pick", ({ index, range }) => pick(index, range));
hear("shown", ({ behind }) => {
  if (!behind) last = 0;
  draw();
});

function picking(wanted) {
  on = wanted;
  if (!on) picked.clear();
  document.body.classList.toggle("picking", on);
  $("select").setAttribute("aria-pressed", String(on));
  draw();
}

/** Select nothing any more. */
export const unpick = () => picking(false);

function pick(index, range) {
  if (!on) picking(true);
  const shown = tiles();
  const wanted = !picked.has(shown[index].hit.id);
  const [from, until] = range ? [Math.min(last, index), Math.max(last, index)] : [index, index];
  for (const { hit } of shown.slice(from, until + 1).filter((one) => !isMoment(one.hit))) {
    if (wanted || range) picked.add(hit.id);
    else picked.delete(hit.id);
  }
  last = index;
  draw();
}

function draw() {
  for (const { hit, element } of tiles()) {
    if (isMoment(hit)) continue;
    element.classList.toggle("chosen", picked.has(hit.id));
    element.querySelector(".pick")?.setAttribute("aria-checked", String(picked.has(hit.id)));
    if (on) element.querySelector(".face").setAttribute("aria-pressed", String(picked.has(hit.id)));
    else element.querySelector(".face").removeAttribute("aria-pressed");
  }
  const bar = $("picked");
  bar.hidden = !on;
  const name = wordButton(say("teach"), () => tell("teach", { ids: selected() }), { class: "strong", name: "tag" });
  name.disabled = !picked.size;
  bar.replaceChildren(
    make("span", { role: "status" }, say("selected", { n: picked.size })),
    name,
    wordButton(say("cancel"), unpick, { class: "plain" }),
  );
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape" && on && !document.querySelector("dialog[open]")) unpick();
});
