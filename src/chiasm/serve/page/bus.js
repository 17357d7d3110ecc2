// How the parts of the page hear of one another: named events, and nothing else.

const bus = new EventTarget();

/** Tell all who hear `name`. */
export function tell(name, detail) {
  bus.dispatchEvent(new CustomEvent(name, { detail }));
}

/** Call `listener` with the detail of every `name` that is told. */
export function hear(name, listener) {
  bus.addEventListener(name, (event) => listener(event.detail));
}
