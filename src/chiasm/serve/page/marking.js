// "More like this" and "not like this": marks on the question; kept with its words where the server keeps marks.
import * as api from "./api.js";
import { can, change, now } from "./asking.js";
import { tell } from "./bus.js";
import { blank, isBlank, kinds, parted } from "./question.js";
import { addressed } from "./tile.js";

const without = (ids, id) => ids.filter((one) => one !== id);

const wholes = (names) => names.map(parted).filter(({ start }) => start === undefined).map(({ id }) => id);

/** More like an answer: a question of its own where nothing is asked yet. */
export function more(hit) {
  const name = addressed(hit);
  if (isBlank(now.question)) alone(hit);
  else mark(({ more, less }) => ({ more: [...without(more, name), name], less: without(less, name) }));
}

/** Not like an answer. */
export function less(hit) {
  const name = addressed(hit);
  mark(({ more, less }) => ({ less: [...without(less, name), name], more: without(more, name) }));
}

/** Only what is like an answer, of its kind, whatever was asked before. */
export function alone(hit) {
  const usual = kinds(now.what)[0]?.kind;
  change({ ...blank(), items: [addressed(hit)], kind: hit.kind === usual ? "" : hit.kind });
}

/** An item counts no longer, neither way. */
export function unmark(name) {
  mark(({ more, less }) => ({ more: without(more, name), less: without(less, name) }));
}

let last = Promise.resolve();

// One after another: a mark that is set while the one before it is being kept is added to it, and does not replace it.
function mark(changed) {
  last = last.catch(() => {}).then(() => keep(changed(now.question)));
}

async function keep(changes) {
  const { words, more: wanted, less: unwanted } = { ...now.question, ...changes };
  if (words.trim() && can("mark") && now.what.scopes.includes("write")) {
    // kept before it is asked again: what is kept for the words counts where the question has no marks of its own
    await api.feedback({ words: words.trim(), more: wholes(wanted), less: wholes(unwanted) }).catch((error) => tell("trouble", error));
  }
  change(changes);
}
