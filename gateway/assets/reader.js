// Reads /openapi.json and shows it. No library, no network beyond this server.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEPTH_MAX = 6;

/** Makes an element. Text is always set as text, so that nothing in the document can become markup. */
function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
  for (const child of children.flat()) if (child !== null && child !== undefined) made.append(child);
  return made;
}

/** Text in which `code` is marked. */
function prose(text) {
  const parts = (text ?? "").split("`");
  return parts.map((part, index) => (index % 2 ? el("code", {}, part) : part));
}

function paragraphs(text) {
  return (text ?? "").split(/\n\s*\n/).filter(Boolean).map((part) => el("p", {}, prose(part)));
}

function resolve(api, schema) {
  if (!schema?.$ref) return { schema: schema ?? {}, name: null };
  const path = schema.$ref.replace(/^#\//, "").split("/").map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~"));
  let found = api;
  for (const part of path) found = found?.[part];
  return { schema: found ?? {}, name: path.at(-1) };
}

function typeOf(api, given) {
  const { schema, name } = resolve(api, given);
  const either = schema.oneOf ?? schema.anyOf;
  if (either) return either.map((one) => typeOf(api, one)).join(" or ");
  const types = [schema.type ?? (schema.properties ? "object" : "any")].flat();
  let text = types.map((type) => (type === "array" ? `array of ${typeOf(api, schema.items)}` : type)).join(" or ");
  if (name && types.includes("object")) text = name;
  if (schema.format && !types.includes("object")) text += ` (${schema.format})`;
  return text;
}

const BOUNDS = [["minimum", "≥"], ["maximum", "≤"], ["minLength", "length ≥"], ["maxLength", "length ≤"],
  ["minItems", "items ≥"], ["maxItems", "items ≤"], ["default", "default"], ["const", "always"]];

function bounds(api, given) {
  const { schema } = resolve(api, given);
  const said = BOUNDS.filter(([name]) => schema[name] !== undefined).map(([name, sign]) => `${sign} ${schema[name]}`);
  if (schema.enum) said.push(schema.enum.length > 12 ? `one of ${schema.enum.length} values` : schema.enum.join(" | "));
  if (schema.pattern) said.push(schema.pattern);
  return said.join(", ");
}

function fields(api, given, depth) {
  const { schema } = resolve(api, given);
  const inner = schema.type === "array" ? resolve(api, schema.items).schema : schema;
  const parts = [inner, ...(inner.allOf ?? []).map((part) => resolve(api, part).schema)];
  const box = el("div", { class: "fields" });
  for (const part of parts) {
    for (const [name, field] of Object.entries(part.properties ?? {})) {
      const needed = (part.required ?? []).includes(name);
      const target = resolve(api, field).schema;
      const limits = bounds(api, field);
      const row = el("div", { class: "field" },
        el("div", {}, el("code", {}, name), " ", el("span", { class: "dim" }, typeOf(api, field)),
          needed ? el("span", { class: "need" }, " required") : null),
        paragraphs(field.description ?? target.description),
        limits ? el("p", { class: "dim" }, limits) : null);
      const deeper = target.properties || (target.type === "array" && resolve(api, target.items).schema.properties);
      if (deeper && depth < DEPTH_MAX) row.append(fields(api, field, depth + 1));
      box.append(row);
    }
  }
  return box.childElementCount ? box : null;
}

function example(api, given, depth = 0) {
  const { schema } = resolve(api, given);
  if (schema.examples?.length) return schema.examples[0];
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  const either = schema.oneOf ?? schema.anyOf;
  if (either && !schema.properties) return example(api, either.find((one) => one.type !== "null") ?? {}, depth);
  switch ([schema.type].flat()[0]) {
    case "object": {
      if (depth > DEPTH_MAX) return {};
      const needed = schema.required ?? [];
      const names = Object.keys(schema.properties ?? {}).filter((name) => needed.includes(name) || needed.length === 0);
      return Object.fromEntries(names.map((name) => [name, example(api, schema.properties[name], depth + 1)]));
    }
    case "array": return depth > DEPTH_MAX ? [] : [example(api, schema.items, depth + 1)];
    case "integer": case "number": return schema.minimum ?? 1;
    case "boolean": return false;
    case "string": return schema.format === "date-time" ? "2026-11-27T18:00:00Z" : schema.format === "email" ? "ann@example.com" : "…";
    default: return null;
  }
}

function curl(api, path, method, operation) {
  const lines = [`curl -X ${method.toUpperCase()} "$HOST${path}"`];
  const security = operation.security ?? api.security ?? [];
  if (security.some((one) => one.bearer)) lines.push(`-H "Authorization: Bearer $TOKEN"`);
  for (const parameter of operation.parameters ?? []) {
    if (parameter.in !== "header" || !parameter.required) continue;
    const value = parameter.name === "Idempotency-Key" ? "$(uuidgen)" : String(parameter.example ?? "…").replace(/"/g, '\\"');
    lines.push(`-H "${parameter.name}: ${value}"`);
  }
  const [kind, body] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (kind?.includes("json")) {
    lines.push(`-H "Content-Type: ${kind}"`, `-d '${JSON.stringify(body.example ?? example(api, body.schema))}'`);
  } else if (kind) {
    lines.push(`-H "Content-Type: ${kind}"`, "--data-binary @FILE");
  }
  return lines.join(" \\\n  ");
}

function parameters(api, operation) {
  const rows = (operation.parameters ?? []).map((one) => el("tr", {},
    el("td", {}, el("code", {}, one.name), one.required ? el("span", { class: "need" }, " required") : null),
    el("td", { class: "dim" }, one.in),
    el("td", {}, paragraphs(one.description), el("p", { class: "dim" }, [typeOf(api, one.schema), bounds(api, one.schema)].filter(Boolean).join("; ")))));
  if (!rows.length) return [];
  const head = el("tr", {}, ["Parameter", "In", "Meaning"].map((title) => el("th", { scope: "col" }, title)));
  return [el("h3", {}, "Parameters"), el("table", {}, el("thead", {}, head), el("tbody", {}, rows))];
}

function request(api, operation) {
  const entries = Object.entries(operation.requestBody?.content ?? {});
  return entries.flatMap(([kind, { schema }]) => [
    el("h3", {}, "Body ", el("span", { class: "dim" }, kind)), ...paragraphs(operation.requestBody.description), fields(api, schema, 0)]);
}

function responses(api, operation) {
  const rows = Object.entries(operation.responses ?? {}).filter(([status]) => status !== "default").sort().map(([status, given]) => {
    const response = resolve(api, given).schema;
    const schema = Object.values(response.content ?? {})[0]?.schema;
    const isError = status >= "400";
    const inner = schema && !isError ? fields(api, schema, 0) : null;
    const shown = inner ? el("details", {}, el("summary", { class: "dim" }, typeOf(api, schema)), inner) : null;
    return el("tr", {}, el("td", {}, el("code", {}, status)), el("td", {}, el("p", {}, prose(response.description)), shown));
  });
  const head = el("tr", {}, ["Status", "Meaning"].map((title) => el("th", { scope: "col" }, title)));
  return [el("h3", {}, "Answers"), el("table", {}, el("thead", {}, head), el("tbody", {}, rows))];
}

function access(api, operation) {
  const security = operation.security ?? api.security ?? [];
  if (!security.length) return "Public.";
  const roles = security.flatMap((one) => one.bearer ?? []);
  if (roles.length) return `For the role ${roles.join(" or ")}.`;
  return security.some((one) => !Object.keys(one).length) ? "Public; a token is welcome." : "For everyone with a token, guests too.";
}

function show(api) {
  const main = document.getElementById("main");
  const index = document.getElementById("index");
  document.title = `${api.info.title} API`;
  main.replaceChildren(el("h1", {}, `${api.info.title} API`, " ", el("small", { class: "dim" }, api.info.version)), ...paragraphs(api.info.description));
  const byTag = new Map((api.tags ?? []).map((tag) => [tag.name, { tag, list: [] }]));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (!operation) continue;
      const name = operation.tags?.[0] ?? "other";
      if (!byTag.has(name)) byTag.set(name, { tag: { name }, list: [] });
      byTag.get(name).list.push({ path, method, operation });
    }
  }
  for (const { tag, list } of byTag.values()) {
    if (!list.length) continue;
    const links = el("ul", {});
    index.append(el("h2", {}, tag.name), links);
    for (const { path, method, operation } of list) {
      const id = operation.operationId ?? `${method}${path}`;
      const words = `${method} ${path} ${operation.summary ?? ""} ${id}`.toLowerCase();
      links.append(el("li", { "data-words": words }, el("a", { href: `#${id}` }, el("span", { class: `method ${method}` }, method), el("span", {}, operation.summary || path))));
      main.append(el("section", { id },
        el("h2", {}, operation.summary || id),
        el("p", { class: "path" }, el("span", { class: `method ${method}` }, method), path),
        ...paragraphs(operation.description), el("p", { class: "dim" }, access(api, operation)),
        ...parameters(api, operation), ...request(api, operation).filter(Boolean), ...responses(api, operation),
        el("h3", {}, "Example"), el("pre", { tabindex: "0", role: "group", "aria-label": `Example of ${method.toUpperCase()} ${path}` }, curl(api, path, method, operation))));
    }
  }
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

document.getElementById("search").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const item of document.querySelectorAll("nav li")) item.hidden = !words.every((word) => item.dataset.words.includes(word));
  for (const title of document.querySelectorAll("nav h2")) title.hidden = !title.nextElementSibling.querySelector("li:not([hidden])");
});

fetch("/openapi.json")
  .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`status ${answer.status}`))))
  .then(show)
  .catch((error) => document.getElementById("main").replaceChildren(el("p", { role: "alert" }, `The document could not be read: ${error.message}`)));
