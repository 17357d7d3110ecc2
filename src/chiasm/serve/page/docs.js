// The API page, made of /openapi.json: every route with its parameters, its body by example, its answer, a line of curl.
import { $, make } from "./dom.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

let schemas = {};

const deref = (schema) => (schema?.$ref ? schemas[schema.$ref.split("/").pop()] : schema) || {};

/** What a schema wants, in a few words: string, integer ≥ 1, Term[]. */
function kind(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.type === "array") return `${kind(schema.items)}[]`;
  if (schema.type === "object" && schema.additionalProperties?.type) return `{name: ${kind(schema.additionalProperties)}}`;
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum, minLength, maxLength } = schema;
  const bounds = [
    minimum !== undefined && `≥ ${minimum}`,
    exclusiveMinimum !== undefined && `> ${exclusiveMinimum}`,
    maximum !== undefined && `≤ ${maximum}`,
    exclusiveMaximum !== undefined && `< ${exclusiveMaximum}`,
    minLength && `at least ${minLength} letters`,
    maxLength && `at most ${maxLength} letters`,
  ];
  return [schema.type || "any", bounds.filter(Boolean).join(", ")].filter(Boolean).join(" ");
}

/** A value that would do: the schema's example or default, else the least of its type. */
function example(schema, depth = 0) {
  const whole = deref(schema);
  if (whole.examples?.length) return whole.examples[0];
  if ("default" in whole) return whole.default;
  if (whole.anyOf) return example(whole.anyOf.find((one) => one.type !== "null"), depth);
  if (whole.type === "array") return depth > 3 ? [] : [example(whole.items, depth + 1)];
  if (whole.properties) {
    const names = Object.keys(whole.properties).filter((name) => !whole.required || whole.required.includes(name));
    return Object.fromEntries(names.map((name) => [name, example(whole.properties[name], depth + 1)]));
  }
  return { integer: whole.minimum ?? 1, number: 0.5, boolean: true, object: {}, string: "…" }[whole.type] ?? null;
}

const rows = (head, body) =>
  make(
    "div",
    { class: "wide" },
    make(
      "table",
      {},
      make("thead", {}, make("tr", {}, head.map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, body.map((cells) => make("tr", {}, cells.map((cell) => make("td", {}, cell))))),
    ),
  );

const isNothing = (value) => value === undefined || value === null || value === "";

/** The fields of an object, and of the objects inside, each once. */
function fields(schema, seen = new Set()) {
  const name = kind(schema);
  const whole = deref(schema);
  if (!whole.properties || seen.has(name)) return [];
  seen.add(name);
  const body = Object.entries(whole.properties).map(([field, one]) => [
    make("code", {}, field),
    kind(one),
    whole.required?.includes(field) ? "needed" : isNothing(one.default) ? "" : JSON.stringify(one.default),
    one.description || "",
  ]);
  const inner = Object.values(whole.properties).flatMap((one) => [one, one.items, ...(one.anyOf || [])]);
  return [
    make("h4", {}, name),
    whole.description ? make("p", {}, whole.description) : "",
    rows(["field", "type", "default", "what it is"], body),
    ...inner.filter((one) => one?.$ref).flatMap((one) => fields(one, seen)),
  ];
}

/** Text in single quotes for a shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

function curl(method, path, route, body) {
  const wanted = (route.parameters || []).filter((one) => one.in === "query");
  const shown = wanted.filter((one) => one.required || isNothing(one.schema?.default) === false);
  const query = shown.map((one) => `${one.name}=${encodeURIComponent(example(one.schema))}`).join("&");
  const place = path.replace(/\{(\w+)\}/g, (_, name) => (name === "name" ? "rex" : "17"));
  const address = quoted(`${location.origin}${place}${query ? `?${query}` : ""}`);
  const parts = ["curl", method === "get" ? "" : `-X ${method.toUpperCase()}`, address];
  if (body) parts.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`);
  else if (method === "post" && ["/uploads", "/items"].includes(path)) parts.push("-H 'Content-Type: image/jpeg'", "--data-binary @cat.jpg");
  return parts.filter(Boolean).join(" ");
}

function described(path, method, route) {
  const id = `${method}${path.replace(/\W+/g, "-")}`;
  const wanted = route.requestBody?.content?.["application/json"]?.schema;
  const answer = route.responses?.["200"]?.content?.["application/json"]?.schema;
  const examples = deref(wanted).examples || (wanted ? [example(wanted)] : []);
  const parameters = (route.parameters || []).map((one) => [
    make("code", {}, one.name),
    kind(one.schema),
    one.required ? "needed" : isNothing(one.schema?.default) ? "" : JSON.stringify(one.schema.default),
    `in the ${one.in}`,
  ]);
  const title = make("h2", {}, make("span", { class: `method ${method}` }, method.toUpperCase()), " ", path);
  const told = make("section", { id }, title, make("p", {}, route.description || route.summary || ""));
  told.append(make("pre", { tabindex: "0", "aria-label": "curl" }, curl(method, path, route, examples[0])));
  if (parameters.length) told.append(rows(["parameter", "type", "default", ""], parameters));
  for (const one of examples.slice(1)) told.append(make("pre", { tabindex: "0", "aria-label": "example" }, JSON.stringify(one, null, 1)));
  if (wanted) told.append(make("details", {}, make("summary", {}, "What is sent"), ...fields(wanted)));
  if (answer && fields(answer).length) told.append(make("details", {}, make("summary", {}, "What is answered"), ...fields(answer)));
  return { link: make("a", { href: `#${id}` }, `${method.toUpperCase()} ${path}`), told };
}

async function begin() {
  try {
    const answer = await fetch("/openapi.json");
    const { paths, components } = await answer.json();
    schemas = components?.schemas || {};
    const routes = Object.entries(paths).flatMap(([path, held]) =>
      METHODS.filter((method) => method in held).map((method) => described(path, method, held[method])),
    );
    $("routes").replaceChildren(...routes.map(({ link }) => link));
    $("described").replaceChildren(...routes.map(({ told }) => told));
    $(location.hash.slice(1))?.scrollIntoView();
  } catch {
    $("described").replaceChildren(make("p", { role: "alert", class: "wrong" }, "openapi.json could not be read."));
  }
}

begin();
