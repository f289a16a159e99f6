// Shows /openapi.json: operations by tag, what they take and answer, a form that asks, and the same as a line for a shell.
// The key stays in this page's memory and is sent to this server only.
"use strict";

const methods = ["get", "post", "put", "delete"];
let api = null;
let key = "";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

function resolve(value) {
  for (let hops = 0; value && value.$ref && hops < 16; hops++)
    value = value.$ref.slice(2).split("/").reduce((at, step) => at && at[step.replace(/~1/g, "/").replace(/~0/g, "~")], api);
  return value || {};
}

// A schema as people would write the value: { rows: [ { age: number | null } ] }
function shape(schema, indent = "", depth = 0) {
  schema = resolve(schema);
  if (depth > 8) return "…";
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).slice(0, 12).join(" | ") + (schema.enum.length > 12 ? " | …" : "");
  const choices = schema.oneOf || schema.anyOf;
  if (choices) return choices.map((one) => shape(one, indent, depth + 1)).join("\n" + indent + "| ");
  const types = [].concat(schema.type || (schema.properties ? "object" : schema.items ? "array" : "any"));
  return types.map((type) => {
    if (type === "array") return schema.items ? `[ ${shape(schema.items, indent, depth + 1)}, … ]` : "[ … ]";
    if (type !== "object") return type;
    const inner = indent + "  ";
    const members = Object.entries(schema.properties || {}).map(([name, one]) => {
      const needed = (schema.required || []).includes(name);
      const about = resolve(one).description;
      return `${inner}${name}${needed ? "" : "?"}: ${shape(one, inner, depth + 1)}${about ? "   // " + about : ""}`;
    });
    if (schema.additionalProperties && typeof schema.additionalProperties === "object")
      members.push(`${inner}…: ${shape(schema.additionalProperties, inner, depth + 1)}`);
    return members.length ? `{\n${members.join("\n")}\n${indent}}` : "{ … }";
  }).join(" | ");
}

function sample(schema, depth = 0) {
  schema = resolve(schema);
  if (depth > 8) return null;
  if ("example" in schema) return schema.example;
  if (schema.examples && schema.examples.length) return schema.examples[0];
  if ("const" in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  const choices = schema.oneOf || schema.anyOf;
  if (choices) return sample(choices[0], depth + 1);
  const type = [].concat(schema.type || (schema.properties ? "object" : "string"))[0];
  if (type === "object") {
    const wanted = Object.entries(schema.properties || {}).filter(([name]) => !schema.required || schema.required.includes(name));
    return Object.fromEntries(wanted.map(([name, one]) => [name, sample(one, depth + 1)]));
  }
  if (type === "array") return schema.items ? [sample(schema.items, depth + 1)] : [];
  if (type === "number" || type === "integer") return schema.minimum > 0 ? schema.minimum : 0;
  if (type === "boolean") return true;
  return type === "null" ? null : "";
}

function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : "'" + text.replace(/'/g, "'\\''") + "'";
}

// What the form says now: method, address, headers, body.
function request(operation) {
  let path = operation.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const field of operation.fields) {
    const value = field.input.value;
    if (field.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(value));
    else if (value === "") continue;
    else if (field.in === "query") query.append(field.name, value);
    else headers[field.name] = value;
  }
  const text = query.toString();
  const asked = { method: operation.method.toUpperCase(), url: path + (text ? "?" + text : ""), headers };
  if (operation.body && operation.body.value !== "") {
    headers["Content-Type"] = operation.media.value;
    asked.body = operation.body.value;
  }
  return asked;
}

function curl(asked) {
  const parts = ["curl", "-sS"];
  if (asked.method !== "GET") parts.push("-X", asked.method);
  parts.push(quoted(location.origin + asked.url));
  if (key) parts.push("-H", '"Authorization: Bearer $SLIPWAY_KEY"');
  for (const [name, value] of Object.entries(asked.headers)) parts.push("-H", quoted(`${name}: ${value}`));
  if (asked.body !== undefined) parts.push("--data-binary", quoted(asked.body));
  return parts.join(" ");
}

function readable(text, type) {
  if (!/json/.test(type || "")) return text;
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

async function send(operation, button, output) {
  const asked = request(operation);
  const headers = { ...asked.headers };
  if (key) headers.Authorization = "Bearer " + key;
  button.disabled = true;
  const start = performance.now();
  try {
    const answer = await fetch(asked.url, { method: asked.method, headers, body: asked.body, credentials: "omit", cache: "no-store" });
    const text = await answer.text();
    const took = Math.round(performance.now() - start);
    const line = element("p", { class: answer.ok ? "good" : "bad" }, `${answer.status} ${answer.statusText}`,
      element("span", { class: "soft" }, ` · ${took} ms · ${text.length} characters`));
    const head = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    const shown = readable(text, answer.headers.get("Content-Type"));
    output.replaceChildren(line, element("pre", {}, shown.length > 100000 ? shown.slice(0, 100000) + "\n…" : shown || "(no body)"),
      element("details", {}, element("summary", {}, "Headers"), element("pre", {}, head)));
  } catch (fault) {
    output.replaceChildren(element("p", { class: "bad" }, String(fault)));
  } finally {
    button.disabled = false;
  }
}

function fieldOf(parameter, id) {
  const schema = resolve(parameter.schema);
  const input = schema.enum
    ? element("select", { id }, ...(parameter.required ? [] : [element("option", { value: "" })]),
      ...schema.enum.map((one) => element("option", {}, String(one))))
    : element("input", { id, type: "text", autocomplete: "off", spellcheck: "false", placeholder: parameter.required ? "needed" : "" });
  return { name: parameter.name, in: parameter.in, input };
}

// The form of one operation, made when it is first opened.
function fill(operation, room) {
  const spec = operation.spec;
  operation.fields = [];
  const form = element("form", { autocomplete: "off" });
  for (const [index, one] of (spec.parameters || []).entries()) {
    const parameter = resolve(one);
    const id = `${operation.id}-${index}`;
    const field = fieldOf(parameter, id);
    operation.fields.push(field);
    const about = [parameter.in, parameter.description].filter(Boolean).join(": ");
    form.append(element("div", { class: "field" }, element("label", { for: id }, element("code", {}, parameter.name),
      " ", element("small", {}, about)), field.input));
  }
  const content = spec.requestBody ? resolve(spec.requestBody).content || {} : {};
  const types = Object.keys(content);
  if (types.length) {
    operation.media = element("select", { id: `${operation.id}-media` }, ...types.map((type) => element("option", {}, type)));
    operation.body = element("textarea", { id: `${operation.id}-body`, spellcheck: "false" });
    const said = element("pre", {});
    const show = () => {
      const { schema, example } = content[operation.media.value];
      const value = example !== undefined ? example : sample(schema);
      operation.body.value = /json/.test(operation.media.value) ? JSON.stringify(value, null, 2) : "";
      said.textContent = shape(schema || {});
    };
    operation.media.addEventListener("change", show);
    show();
    form.append(element("div", { class: "field" }, element("label", { for: operation.media.id }, "Body"), operation.media),
      element("label", { for: operation.body.id, class: "hidden" }, "Body"), operation.body,
      element("details", {}, element("summary", {}, "What the body may be"), said));
  }
  const button = element("button", { type: "submit" }, "Send");
  const copy = element("button", { type: "button", class: "plain" }, "Copy");
  const line = element("pre", { class: "curl" });
  const output = element("div", { class: "output", "aria-live": "polite" });
  const update = () => { line.textContent = curl(request(operation)); };
  operation.update = update;
  form.addEventListener("input", update);
  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => { event.preventDefault(); send(operation, button, output); });
  copy.addEventListener("click", () => navigator.clipboard.writeText(line.textContent));
  form.append(element("div", { class: "row" }, button), element("h3", {}, "For a shell "), line);
  if (navigator.clipboard) form.append(copy);
  const answers = element("dl", {});
  for (const [status, one] of Object.entries(spec.responses || {})) {
    const answer = resolve(one);
    const more = element("dd", {}, answer.description || "");
    for (const [type, media] of Object.entries(answer.content || {})) {
      more.append(element("details", {}, element("summary", {}, element("code", {}, type)), element("pre", {}, shape(media.schema || {}))));
    }
    answers.append(element("dt", {}, status), more);
  }
  if (spec.description) room.append(element("p", {}, spec.description));
  room.append(element("h3", {}, "Try it"), form, output, element("h3", {}, "Answers"), answers);
  update();
}

function matches(operation, words) {
  const text = `${operation.method} ${operation.path} ${operation.spec.summary || ""} ${operation.tag}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

let operations = [];

function filter() {
  const words = document.getElementById("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const tags = new Map();
  for (const operation of operations) {
    const shown = matches(operation, words);
    operation.node.hidden = operation.link.hidden = !shown;
    tags.set(operation.tag, tags.get(operation.tag) || shown);
  }
  for (const node of document.querySelectorAll("[data-tag]")) node.hidden = !tags.get(node.dataset.tag);
}

function show() {
  const main = document.getElementById("main");
  const contents = document.getElementById("contents");
  const about = new Map((api.tags || []).map((tag) => [tag.name, tag.description]));
  const byTag = new Map();
  document.getElementById("version").textContent = api.info.version;
  main.replaceChildren(element("p", {}, api.info.description || "", " ", element("a", { href: "/openapi.json" }, "openapi.json")));
  contents.replaceChildren();
  operations = [];
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of methods) {
      if (!item[method]) continue;
      const tag = (item[method].tags || ["other"])[0];
      if (!byTag.has(tag)) byTag.set(tag, []);
      byTag.get(tag).push({ path, method, tag, spec: item[method], id: "op-" + (item[method].operationId || method + path) });
    }
  }
  for (const [tag, list] of byTag) {
    main.append(element("section", { "data-tag": tag }, element("h2", {}, tag), element("p", { class: "soft" }, about.get(tag) || "")));
    contents.append(element("li", { class: "tag", "data-tag": tag }, tag));
    for (const operation of list) {
      const room = element("div", {});
      operation.node = element("details", { class: "operation", id: operation.id },
        element("summary", {}, element("span", { class: "method " + operation.method }, operation.method),
          element("span", { class: "path" }, operation.path), element("span", { class: "soft" }, operation.spec.summary || "")), room);
      operation.node.addEventListener("toggle", () => { if (operation.node.open && !room.firstChild) fill(operation, room); });
      operation.link = element("li", {}, element("a", { href: "#" + operation.id },
        element("span", { class: "method " + operation.method }, operation.method), " ", operation.path));
      operation.link.firstChild.addEventListener("click", () => { operation.node.open = true; });
      main.lastChild.append(operation.node);
      contents.append(operation.link);
      operations.push(operation);
    }
  }
  filter();
  const wanted = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (wanted) { wanted.open = true; wanted.scrollIntoView(); }
}

async function load() {
  try {
    const answer = await fetch("/openapi.json", { headers: key ? { Authorization: "Bearer " + key } : {}, credentials: "omit" });
    if (!answer.ok) throw new Error(answer.status === 401 ? "This server wants a key: give one above." : `/openapi.json: ${answer.status} ${answer.statusText}`);
    api = await answer.json();
    show();
  } catch (fault) {
    document.getElementById("main").replaceChildren(element("p", { class: "bad", id: "notice" }, fault.message));
    document.getElementById("contents").replaceChildren();
  }
}

document.getElementById("filter").addEventListener("input", filter);
document.getElementById("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = document.getElementById("key").value.trim();
  load();
});
load();
