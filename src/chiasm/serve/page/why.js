// Why an item answers: the names both have to do with, the words that count, the part of a picture, outlined.
import * as api from "./api.js";
import { now } from "./asking.js";
import { make } from "./dom.js";
import { terms } from "./question.js";
import { reason } from "./states.js";
import { isMoment } from "./tile.js";
import { say, sent } from "./words.js";

const SPACE = "http://www.w3.org/2000/svg";

/** What a hit was found by, its caption or its picture, and the names that both have to do with; null where neither is told. */
export function named(why = {}) {
  const { names, caption, read, withheld = {} } = why;
  const beside = caption || read;
  const parts = [];
  if (beside) {
    const shares = [
      { name: say(caption ? "byCaption" : "byRead"), share: beside.share },
      { name: say("byPicture"), share: 1 - beside.share },
    ];
    parts.push(make("h3", {}, say("whyFound")), bars(shares, true));
  }
  if (names?.length) parts.push(make("h3", {}, say("whyNames")), bars(names, false));
  if (withheld.names) parts.push(make("p", { class: "quiet" }, `${say("withheldNames")}: ${sent(withheld.names)}`));
  return parts.length ? make("div", { class: "names" }, parts) : null;
}

/** Names with bars as long as their shares. */
function bars(shares, told) {
  const lines = shares.map(({ name, share }) => {
    const bar = make("span", { class: "bar" });
    bar.style.setProperty("--share", share);
    return make("li", {}, make("span", {}, told ? `${name} ${Math.round(100 * share)} %` : name), bar);
  });
  return make("ul", {}, lines);
}

/** Ask why an item answers, and tell it in `place`; a region is drawn over `frame`, which holds the picture. */
export async function explained(hit, place, frame, signal) {
  place.replaceChildren(make("p", { class: "quiet", role: "status" }, say("explaining")));
  try {
    const [term] = terms(now.question, true);
    const start = isMoment(hit) ? { start: hit.start } : {};
    const { why } = await api.explain({ terms: [term], id: hit.id, ...start }, signal);
    place.replaceChildren(...told(why, term));
    if (why.region) frame.append(outline(why.region));
  } catch (error) {
    if (error.name !== "AbortError") place.replaceChildren(make("p", { class: "wrong", role: "alert" }, reason(error)));
  }
}

function told(why, term) {
  const withheld = why.withheld || {};
  const parts = [];
  if (why.words) parts.push(make("h3", {}, say("whyWords")), words(why.words, term.words || ""));
  if (why.region) parts.push(make("p", {}, say("whyRegion")));
  if (withheld.words) parts.push(make("p", { class: "quiet" }, `${say("withheldWords")}: ${sent(withheld.words)}`));
  if (withheld.region) parts.push(make("p", { class: "quiet" }, `${say("withheldRegion")}: ${sent(withheld.region)}`));
  if (!parts.length) parts.push(make("p", { class: "quiet" }, say("whyNone")));
  return parts;
}

/** The text with each word shaded by its share; what stands between words stays as it was. */
function words(pieces, text) {
  const made = make("p", { class: "counted" });
  const whole = pieces.every(({ start, end, word }) => text.slice(start, end) === word);
  let at = 0;
  for (const { word, share, start, end } of pieces) {
    made.append(whole ? text.slice(at, start) : at ? " " : "");
    const mark = make("mark", { title: `${Math.round(100 * share)} %` }, word);
    mark.style.setProperty("--share", share);
    made.append(mark);
    at = end || 1;
  }
  return made;
}

/** What lies outside a region darkened, its edge drawn. `mask`: rows of "0" and "1"; `box`: left, top, right, bottom. */
function outline({ box: [left, top, right, bottom], mask }) {
  const drawing = document.createElementNS(SPACE, "svg");
  const rows = mask?.length ? mask : ["1"];
  const [wide, high] = mask?.length ? [rows[0].length, rows.length] : [1, 1];
  drawing.setAttribute("viewBox", `0 0 ${wide} ${high}`);
  drawing.setAttribute("preserveAspectRatio", "none");
  drawing.setAttribute("class", "outline");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", say("whyRegion"));
  const draw = (kind, d) => {
    const path = document.createElementNS(SPACE, "path");
    path.setAttribute("class", kind);
    path.setAttribute("d", d);
    drawing.append(path);
  };
  if (mask?.length) {
    draw("outside", cells(rows, "0"));
    draw("edge under", edges(rows));
    draw("edge", edges(rows));
  } else {
    const inner = `M${left} ${top}H${right}V${bottom}H${left}Z`;
    draw("outside", `M0 0H1V1H0Z${inner}`);
    draw("edge under", inner);
    draw("edge", inner);
  }
  return drawing;
}

/** The cells of a kind, a rectangle for each run in a row. */
function cells(rows, kind) {
  let d = "";
  rows.forEach((row, y) => {
    for (const run of row.matchAll(kind === "0" ? /0+/g : /1+/g)) d += `M${run.index} ${y}h${run[0].length}v1h-${run[0].length}z`;
  });
  return d;
}

/** The lines between cells inside and outside. */
function edges(rows) {
  const inside = (x, y) => rows[y]?.[x] === "1";
  let d = "";
  for (let y = 0; y <= rows.length; y += 1) {
    for (let x = 0; x <= rows[0].length; x += 1) {
      if (inside(x, y) !== inside(x, y - 1)) d += `M${x} ${y}h1`;
      if (inside(x, y) !== inside(x - 1, y)) d += `M${x} ${y}v1`;
    }
  }
  return d;
}
