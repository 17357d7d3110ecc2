// What the model says of itself: how often it is right, what it learned from, what it cannot do; all figures below.
import { make } from "./dom.js";
import { facts } from "./facts.js";
import { say } from "./words.js";

const FIRST = [1, 5, 10];

/** The elements of a report, as the server sends it. */
export function reported({ model, score, learned, limits }) {
  const figures = make("div", { lang: "en" }, facts({ model, ...(score ? { score } : {}) }));
  return [
    make("h4", {}, say("scoreHead")),
    ...(score ? scored(score) : [make("p", { class: "quiet" }, say("noScore"))]),
    make("h4", {}, say("learnedHead")),
    lines(sources(model, learned)),
    make("h4", {}, say("cannotHead")),
    lines(cannot(score, limits)),
    make("details", {}, make("summary", {}, say("allFigures")), figures),
  ];
}

const lines = (said) => make("ul", { class: "said" }, said.map((one) => make("li", {}, one)));

const percent = (share) => (100 * share).toFixed(share && share < 0.01 ? 1 : 0);
const span = ({ low, high }) => `[${percent(low)}, ${percent(high)}]`;
const ranged = (one) => `${percent(one.value)} ${span(one)}`;

/** What a view holds: words, pictures, sounds, videos; its own name where it is something else. */
const held = (name, modality) => (["text", "image", "audio", "video"].includes(modality) ? say(modality) : name);

const small = (kind) => say(kind).toLowerCase();

const way = (one) => `${held(one.from, one.from_modality)} → ${held(one.to, one.to_modality)}`;

/** A table of the directions: of 100 questions, how many find theirs among the first 1, 5 and 10. */
function scored({ directions }) {
  const head = [say("scoreWay"), ...FIRST.map((k) => say(k === 1 ? "scoreFirst" : "scoreAmong", { k }))];
  const row = (name, cells, quiet) =>
    make("tr", { class: quiet ? "quiet" : "" }, make("th", { scope: "row" }, name), cells.map((cell) => make("td", {}, cell)));
  const rows = directions.flatMap((one) => [
    row(way(one), FIRST.map((k) => [percent(one[`R@${k}`].value), " ", make("span", { class: "span" }, span(one[`R@${k}`]))])),
    row(say("scoreChance"), FIRST.map((k) => percent(one.chance[`R@${k}`])), true),
    ...(one.baseline ? [row(say("scoreSimple"), FIRST.map((k) => percent(one.baseline[`R@${k}`])), true)] : []),
  ]);
  const table = make(
    "table",
    { class: "scores" },
    make("thead", {}, make("tr", {}, head.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, rows),
  );
  const most = directions[0];
  const said = say("scoreSaid", { queries: most.queries.toLocaleString(), gallery: most.gallery.toLocaleString() });
  return [make("div", { class: "wide" }, table), make("p", { class: "quiet" }, said)];
}

/** What it learned from, in sentences. */
function sources({ pairs, rows, names, aligner, views }, besides) {
  const told = [];
  const kinds = Object.entries(views).map(([name, kind]) => held(name, kind).toLowerCase());
  if (pairs) told.push(say("learnedPairs", { n: pairs.toLocaleString(), of: rows.rows.toLocaleString(), kinds: kinds.join(" + ") }));
  else told.push(say("learnedNone"));
  if (names) told.push(say("learnedNames", { n: names.toLocaleString(), share: Math.round(100 * (aligner.bridge ?? 1)) }));
  else if (!pairs) told.push(...besides);
  return told;
}

/** What it cannot do, in sentences; of the score first, where it is known. */
function cannot(score, { finds, judges, judged, reads_text: reads }) {
  const told = (score?.directions || [])
    .filter((one) => finds.includes(one.to_modality))
    .map((one) => {
      const { value, low, high } = one["R@10"];
      const missed = ranged({ value: 1 - value, low: 1 - high, high: 1 - low });
      return say("cannotFind", { way: way(one), missed, gallery: one.gallery.toLocaleString() });
    });
  const lacks = ["image", "audio", "video"].filter((kind) => !finds.includes(kind));
  if (lacks.length) told.push(say("cannotKinds", { kinds: lacks.map(small).join(say("and")) }));
  if (judged.length) told.push(say("cannotJudge", { scripts: judged.map((one) => say(SCRIPTS[one] || "otherScript", { one })).join(say("and")) }));
  else if (!judges) told.push(say("cannotJudgeAny"));
  if (finds.includes("image") && !reads) told.push(say("cannotRead"));
  told.push(say("cannotCount"));
  return told;
}

const SCRIPTS = { LATIN: "latin", CJK: "chinese", HIRAGANA: "japanese", KATAKANA: "japanese", HANGUL: "korean", CYRILLIC: "cyrillic" };
