// A question: what is asked with, what is chosen by; as the address of the page, and as the server wants it.

/** The share of true answers that may be lost where only true matches are shown. */
const REJECT = 0.1;

/** A question that asks nothing. */
export const blank = () => ({
  words: "",
  upload: null, // {upload, kind, name}
  items: [], // what is asked with: ids, and "id@second" for moments
  more: [], // of which more is wanted
  less: [],
  kind: "",
  from: "", // days, YYYY-MM-DD
  until: "",
  caption: "",
  all: false, // the nearest too, where they are no true matches
  sort: "",
});

/** Whether there is nothing to ask with. */
export const isBlank = (question) => !question.words.trim() && !question.upload && !question.items.length;

const ids = (text) =>
  (text || "")
    .split(",")
    .filter((one) => /^\d+(@\d+(\.\d+)?)?$/.test(one))
    .map((one) => (one.includes("@") ? one : Number(one)));

/** What a name of the address stands for: an item's id, and the second of a moment, undefined where it is whole. */
export function parted(name) {
  const [id, start] = String(name).split("@").map(Number);
  return { id, start };
}

const isWhole = (name) => parted(name).start === undefined;

/** A term of an item, or of a moment of it. */
function term(name, weight) {
  const { id, start } = parted(name);
  return { item: id, ...(start === undefined ? {} : { start }), ...(weight === undefined ? {} : { weight }) };
}

/** The question in the part of an address behind the #. */
export function fromHash(hash) {
  const held = new URLSearchParams(hash.replace(/^#/, ""));
  const [upload, kind, ...name] = (held.get("upload") || "").split(" ");
  const day = (text) => (/^\d{4}-\d{2}-\d{2}$/.test(text || "") ? text : "");
  return {
    words: held.get("q") || "",
    upload: upload && kind ? { upload, kind, name: name.join(" ") } : null,
    items: ids(held.get("like")),
    more: ids(held.get("more")),
    less: ids(held.get("less")),
    kind: held.get("kind") || "",
    from: day(held.get("from")),
    until: day(held.get("until")),
    caption: held.get("caption") || "",
    all: held.get("all") === "1",
    sort: held.get("sort") || "",
  };
}

/** The other way: an address that holds the question, "" where it asks nothing. */
export function toHash(question) {
  const { upload } = question;
  const held = {
    q: question.words,
    upload: upload ? `${upload.upload} ${upload.kind} ${upload.name}` : "",
    like: question.items.join(","),
    more: question.more.join(","),
    less: question.less.join(","),
    kind: question.kind,
    from: question.from,
    until: question.until,
    caption: question.caption,
    all: question.all ? "1" : "",
    sort: question.sort,
  };
  return new URLSearchParams(Object.entries(held).filter(([, value]) => value)).toString();
}

/** What is asked with, as the server's terms; a mark is a term too where the server keeps none, and of a moment. */
export function terms(question, marks) {
  const told = [];
  if (question.words.trim()) told.push({ words: question.words.trim() });
  if (question.upload) told.push({ upload: question.upload.upload });
  told.push(...question.items.map((one) => term(one)));
  const said = (one) => !marks || !isWhole(one);
  told.push(...question.more.filter(said).map((one) => term(one, 0.5)));
  told.push(...question.less.filter(said).map((one) => term(one, -0.5)));
  return told.slice(0, 16);
}

/** The conditions of a question, of the columns that the server has. */
export function conditions(question, what) {
  const told = [];
  if ("date" in what.columns && question.from) told.push(`date>=${question.from}`);
  if ("date" in what.columns && question.until) told.push(`date<=${question.until}`);
  if ("caption" in what.columns && question.caption.trim()) told.push(`caption~${question.caption.trim()}`);
  return told;
}

/** The conditions of what is looked through without a question: of its type too, which a question tells by its view. */
export function browsed(question, what) {
  return [...conditions(question, what), ...(question.kind ? [`kind=${question.kind}`] : [])];
}

/** The views that answer, each of one kind, the fullest first: where there are several, one of them is asked. */
export function kinds(what) {
  const told = Object.entries(what.held).map(([view, n]) => ({ view, kind: what.views[view], n }));
  return told.sort((one, other) => other.n - one.n);
}

/** The view that answers. */
const answering = (question, what) => (kinds(what).find(({ kind }) => kind === question.kind) || kinds(what)[0])?.view;

/** Whether it can be known what matches: of words, or a file of another kind than what answers, and nothing beside. */
export function judgeable(question, what) {
  const { words, upload, items } = question;
  const kind = what.views[answering(question, what)];
  const marked = [...question.more, ...question.less];
  if (items.length || !marked.every(isWhole)) return false;
  return upload ? !words.trim() && upload.kind !== kind : Boolean(words.trim());
}

/** The question as the server wants it: a page of `k` answers behind the first `skip`. */
export function asked(question, what, skip, k) {
  const can = (name) => what.can.includes(name);
  const told = { terms: terms(question, can("mark")), k, skip };
  if (kinds(what).length > 1) told.to = answering(question, what);
  if (can("filter")) told.where = conditions(question, what);
  if (can("mark")) Object.assign(told, { more: question.more.filter(isWhole), less: question.less.filter(isWhole) });
  if (can("reject") && !question.all && judgeable(question, what)) {
    Object.assign(told, { reject: REJECT, lenient: true });
    if (question.sort) told.sort = question.sort;
  }
  return told;
}
