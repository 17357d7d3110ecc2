// "More like this" and "not like this": marks on the question; kept with its words where the server keeps marks.
import * as api from "./api.js";
import { can, change, now } from "./asking.js";
import { tell } from "./bus.js";
import { blank, isBlank } from "./question.js";

const without = (ids, id) => ids.filter((one) => one !== id);

/** More like an item: a question of its own where nothing is asked yet. */
export function more(id) {
  if (isBlank(now.question)) change({ ...blank(), items: [id] });
  else mark({ more: [...without(now.question.more, id), id], less: without(now.question.less, id) });
}

/** Not like an item. */
export function less(id) {
  mark({ less: [...without(now.question.less, id), id], more: without(now.question.more, id) });
}

/** Only what is like an item, whatever was asked before. */
export function alone(id) {
  change({ ...blank(), items: [id] });
}

/** An item counts no longer, neither way. */
export function unmark(id) {
  mark({ more: without(now.question.more, id), less: without(now.question.less, id) });
}

async function mark(changes) {
  const { words, more: wanted, less: unwanted } = { ...now.question, ...changes };
  if (words.trim() && can("mark") && now.what.scopes.includes("write")) {
    // kept before it is asked again: what is kept for the words counts where the question has no marks of its own
    await api.feedback({ words: words.trim(), more: wanted, less: unwanted }).catch((error) => tell("trouble", error));
  }
  change(changes);
}
