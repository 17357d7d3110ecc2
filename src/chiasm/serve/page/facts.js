// Plain values of the server's, whatever they are, as lists and tables that people can read.
import { make } from "./dom.js";
import { called } from "./words.js";

const isPair = (value) => Array.isArray(value) && value.length === 2 && value.every((one) => typeof one === "number");
const isPlain = (value) => value === null || typeof value !== "object" || isPair(value);

/** A value that holds no others, in words: numbers to three digits, an interval from - to. */
export function plain(value) {
  if (isPair(value)) return `${plain(value[0])} – ${plain(value[1])}`;
  if (typeof value === "number") {
    return Number.isInteger(value) ? value.toLocaleString() : Number(value.toPrecision(3)).toLocaleString();
  }
  if (typeof value === "boolean") return value ? "✓" : "–";
  return value === null || value === "" ? "–" : String(value);
}

/** The element of a value: a table of rows that are alike, a list, or names with their values. */
export function facts(value) {
  if (isPlain(value)) return make("span", {}, plain(value));
  if (Array.isArray(value)) return value.every(isPlain) ? row(value) : rows(value);
  const made = make("dl", { class: "facts" });
  for (const [name, one] of Object.entries(value)) {
    const deep = !isPlain(one) && !(Array.isArray(one) && one.every(isPlain));
    made.append(make("div", { class: deep ? "deep" : "" }, make("dt", {}, called(name)), make("dd", {}, facts(one))));
  }
  return made;
}

const row = (values) => make("span", {}, values.length ? values.map(plain).join(", ") : "–");

function rows(values) {
  const names = [...new Set(values.flatMap((one) => (isPlain(one) ? [] : Object.keys(one))))];
  if (!names.length || values.some(isPlain)) return make("ul", {}, values.map((one) => make("li", {}, facts(one))));
  const head = make("tr", {}, names.map((name) => make("th", { scope: "col" }, called(name))));
  const body = values.map((one) => make("tr", {}, names.map((name) => make("td", {}, facts(one[name] ?? null)))));
  return make("div", { class: "wide" }, make("table", {}, make("thead", {}, head), make("tbody", {}, body)));
}
