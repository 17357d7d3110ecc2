// The grid: answers in justified rows, at once where the server knows their sizes, else once their pictures tell them.
import { can, now } from "./asking.js";
import { hear, tell } from "./bus.js";
import { $, make } from "./dom.js";
import { justify } from "./justify.js";
import { less, more } from "./marking.js";
import { isBlank } from "./question.js";
import { folded, isMoment, loaded, pictured, tile } from "./tile.js";

const WAIT = 1500; // milliseconds for the first pictures to tell sizes that the server does not know
const FIRST = 24; // of them: rows above do not change when later sizes are known, and those are out of sight
const UNKNOWN = 4 / 3;
const SOUND = 1.6; // of a sound among pictures
const SOUNDS = 3; // and among sounds alone, whose rows are low
const WAITING = [1.5, 0.7, 1.3, 1.5, 1, 1.5, 0.75, 1.4, 1.3, 0.8, 1.5, 1.2, 1.5, 0.7, 1.4, 1];

const list = $("grid");
const ratios = new Map(); // id -> width by height, of all pictures ever seen here
let shown = []; // [{hit, element}] in order
let places = [];
let turn = 0; // of answers: what an older one still loads is dropped
let active = 0; // the tile that the Tab key reaches

hear("asking", ({ first }) => first && !shown.length && skeleton());
hear("answer", ({ hits }) => put(hits, false));
hear("further", ({ hits }) => put(hits, true));
hear("failed", () => now.hits.length || clear());

/** The elements of what is shown, with their hits. */
export const tiles = () => shown;

const target = () => (list.clientWidth < 560 ? 132 : list.clientWidth < 1000 ? 180 : 216);
const low = () => (list.clientWidth < 560 ? 76 : 88);
const gap = () => (list.clientWidth < 560 ? 3 : 6);

function clear() {
  turn += 1;
  list.replaceChildren();
  shown = [];
  layout();
}

/** Grey places while the first answer is awaited. */
function skeleton() {
  list.replaceChildren(...WAITING.map(() => make("li", { class: "tile waiting", "aria-hidden": "true" })));
  place([...list.children], WAITING);
}

async function put(hits, behind) {
  turn += 1;
  const mine = turn;
  const pixels = target() * 1.5 * Math.min(devicePixelRatio || 1, 2);
  const late = [];
  const made = hits.map((hit) => {
    if (!pictured(hit)) return { hit, picture: null, known: Promise.resolve() };
    const { picture, ratio } = loaded(hit, pixels);
    if (hit.width && hit.height) ratios.set(hit.id, hit.width / hit.height);
    const told = ratios.has(hit.id);
    const known = ratio.then((one) => {
      if (one && !told) ratios.set(hit.id, one);
      picture.classList.toggle("broken", !one);
    });
    late.push(known);
    return { hit, picture, known };
  });
  const unknown = made.slice(0, FIRST).filter(({ hit }) => !ratios.has(hit.id)).map(({ known }) => known);
  await Promise.race([Promise.all(unknown), new Promise((done) => setTimeout(done, WAIT))]);
  if (mine !== turn) {
    for (const { picture } of made) picture?.removeAttribute("src"); // not shown, so not loaded any further
    return;
  }
  const may = { pick: can("teach"), mark: true, less: !isBlank(now.question) };
  const fresh = made.map(({ hit, picture }) => ({ hit, element: tile(hit, picture, does, may) }));
  const focused = list.contains(document.activeElement) && document.activeElement !== list;
  if (behind) list.append(...fresh.map((one) => one.element));
  else list.replaceChildren(...fresh.map((one) => one.element));
  shown = behind ? [...shown, ...fresh] : fresh;
  if (!behind) activate(0, focused);
  layout();
  tell("shown", { behind });
  const before = ratios.size;
  Promise.all(late).then(() => mine === turn && ratios.size !== before && layout());
}

const ratio = ({ hit }) => (pictured(hit) ? ratios.get(hit.id) || UNKNOWN : SOUND);

function layout() {
  const elements = shown.map((one) => one.element);
  if (shown.some(({ hit }) => pictured(hit))) place(elements, shown.map(ratio));
  else place(elements, shown.map(() => SOUNDS), low());
}

function place(elements, wide, high = target()) {
  const laid = justify(wide, list.clientWidth, high, gap());
  places = laid.places;
  elements.forEach((element, i) => {
    const { x, y, width, height } = places[i];
    Object.assign(element.style, { width: `${width}px`, height: `${height}px`, transform: `translate(${x}px, ${y}px)` });
  });
  list.style.height = `${laid.height}px`;
}

let width = 0;
new ResizeObserver(() => {
  if (list.clientWidth === width) return;
  width = list.clientWidth;
  if (shown.length) layout();
}).observe(list);

/** Whether an answer can be selected: names are taught by whole files. */
const pickable = (hit) => can("teach") && !isMoment(hit);
const picks = (hit) => pickable(hit) && document.body.classList.contains("picking");

// What a tile does.
const at = (hit) => shown.findIndex((one) => one.hit === hit);
const does = {
  open: (hit, event) => (picks(hit) ? does.pick(hit, event) : tell("open", { hit })),
  alike: (hit) => tell("open", { hit, alike: true }),
  pick: (hit, event) => tell("pick", { index: at(hit), range: event.shiftKey }),
  more: (hit) => more(hit),
  less: (hit) => less(hit),
};

/** Make a tile the one that Tab reaches, with its buttons; and focus it. */
export function activate(index, focus) {
  const turned = (element, tab) => element?.querySelectorAll("button").forEach((one) => (one.tabIndex = tab));
  turned(shown[active]?.element, -1);
  active = Math.max(0, Math.min(index, shown.length - 1));
  turned(shown[active]?.element, 0);
  if (focus) shown[active]?.element.querySelector(".face").focus({ preventScroll: false });
}

/** Focus the grid, at the tile where it was. */
export const enter = () => activate(active, true);

list.addEventListener("focusin", (event) => {
  const index = shown.findIndex((one) => one.element.contains(event.target));
  if (index >= 0 && index !== active) activate(index, false);
});

list.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !shown.length || event.target === list) return;
  const { hit } = shown[active];
  const steps = {
    ArrowLeft: () => active - 1,
    ArrowRight: () => active + 1,
    ArrowUp: () => beside(-1),
    ArrowDown: () => beside(1),
    Home: () => 0,
    End: () => shown.length - 1,
  };
  if (event.key in steps) activate(steps[event.key](), true);
  else if (event.key === " " && pickable(hit) && event.target.matches(".face")) does.pick(hit, event);
  else if (event.key === "m") does.more(hit);
  else if (event.key === "n" && !isBlank(now.question)) does.less(hit);
  else if (event.key === "+" && folded(hit).length) does.alike(hit);
  else return;
  event.preventDefault();
});

/** The tile of the row above or below whose middle is nearest. */
function beside(step) {
  const here = places[active];
  const middle = here.x + here.width / 2;
  let [best, least] = [active, Infinity];
  places.forEach((one, i) => {
    const off = Math.abs(one.x + one.width / 2 - middle);
    if (one.row === here.row + step && off < least) [best, least] = [i, off];
  });
  return best;
}
