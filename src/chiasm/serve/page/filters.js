// Choosing by date and caption, of what the server has; and only what truly matches, in order of date.
import { can, change, now } from "./asking.js";
import { hear } from "./bus.js";
import { $, make } from "./dom.js";
import { isBlank, judgeable } from "./question.js";
import { say } from "./words.js";

const box = $("filters");
const button = $("filters-open");
const fields = {}; // name of the question's part -> its control

button.addEventListener("click", () => unfold(box.hidden));

function unfold(open) {
  box.hidden = !open;
  button.setAttribute("aria-expanded", String(open));
}

/** Make the controls that this server has a use for. */
export function furnishFilters() {
  const { columns } = now.what;
  const controls = [];
  const add = (name, label, control) => {
    fields[name] = control;
    control.addEventListener("change", () => change({ [name]: control.type === "checkbox" ? !control.checked : control.value }));
    controls.push(make("label", { class: control.type === "checkbox" ? "check" : "" }, make("span", {}, say(label)), control));
  };
  const select = (options) => make("select", {}, options.map(([value, label]) => make("option", { value }, say(label))));
  if (can("filter") && "date" in columns) {
    add("from", "from", make("input", { type: "date" }));
    add("until", "until", make("input", { type: "date" }));
  }
  if (can("filter") && "caption" in columns) add("caption", "captionHolds", make("input", { type: "text", maxlength: 200 }));
  if (can("reject")) add("all", "only", make("input", { type: "checkbox" })); // checked: only true matches, not all
  if ("date" in columns) add("sort", "sort", select([["", "best"], ["-date", "newest"], ["date", "oldest"]]));
  box.replaceChildren(...controls);
  refresh();
}

/** Filters choose among answers, or among all; the order of answers stands with what is told apart from no match. */
function refresh() {
  if (!now.what) return;
  const useful = Object.keys(fields).length > 0;
  const blank = isBlank(now.question);
  let used = 0;
  for (const [name, control] of Object.entries(fields)) {
    const value = now.question[name];
    if (control.type === "checkbox") control.checked = !value && judged();
    else if (control !== document.activeElement || !value) control.value = value;
    used += name !== "sort" && value ? 1 : 0;
  }
  if (fields.all) {
    fields.all.parentElement.hidden = blank;
    fields.all.disabled = !blank && !judged();
  }
  if (fields.sort) {
    fields.sort.parentElement.hidden = !blank && (now.question.all || !can("reject") || !judged());
    fields.sort.options[0].text = say(blank ? "asSeen" : "best");
  }
  button.hidden = !useful;
  button.classList.toggle("used", used > 0);
  if (!useful) unfold(false);
}

/** Whether what stands can be told apart from what is no match, as far as is known: of some questions the answer tells. */
const judged = () => judgeable(now.question, now.what) && !now.unjudged;

hear("question", refresh);
hear("answer", refresh);
