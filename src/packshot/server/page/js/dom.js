// Elements in one call. Nothing is ever parsed as HTML, so no text of a user's can become markup.
import { bind } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const TARGETS = { t: "text", label: "aria-label", placeholder: "placeholder", hint: "title" };

/**
 * An element. Properties: `t`, `label`, `placeholder`, `hint` are keys of texts, or [key, values]; `on` holds
 * listeners; `data` data attributes; `class` and everything else attributes, where false and null mean none.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name in TARGETS) {
      const [key, values] = Array.isArray(value) ? value : [value];
      bind(element, TARGETS[name], key, values);
    } else if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else if (name === "value" || name === "checked" || name === "disabled") {
      element[name] = value;
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  if (tag === "select" && "value" in properties) element.value = properties.value;
  return element;
}

export function icon(name, className = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  if (className) svg.setAttribute("class", className);
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** A vector graphic's element, for curves. */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A button with an icon and, unless `only`, its text. */
export function button(symbol, text, action, { only = false, ...properties } = {}) {
  const names = only ? { label: text, hint: text } : {};
  const label = only ? null : h("span", { t: text });
  const classes = [properties.class, only && "icon"].filter(Boolean).join(" ");
  return h("button", { type: "button", ...names, ...properties, class: classes, on: { click: action } }, symbol && icon(symbol), label);
}

let last = 0;
export const unique = (prefix) => `${prefix}-${++last}`;

/** A label with its control, a hint and a place for what is wrong with it. Returns {root, fault(problem or null)}. */
export function field(label, control, { hint, extra, output } = {}) {
  const id = (control.id ||= unique("field"));
  const fault = h("p", { class: "fault", id: `${id}-fault`, hidden: true });
  const about = hint ? h("p", { class: "hint", id: `${id}-hint`, t: hint }) : null;
  const described = [about && about.id, fault.id].filter(Boolean).join(" ");
  control.setAttribute("aria-describedby", described);
  const head = h("label", { for: id, t: label }); // a key, or a function that says it
  const root = h("div", { class: "field" }, output ? h("div", { class: "label-row" }, head, output) : head, extra ?? wrapped(control), about, fault);
  return { root, control, fault: (problem) => showFault(fault, control, problem) };
}

const wrapped = (control) => (control.tagName === "SELECT" ? arrowed(control) : control);
export const arrowed = (select) => h("span", { class: "select" }, select, icon("chevron"));

/** Show one line about a control, or take it away. `problem`: null, {key, values}, or a function that says it. */
export function showFault(line, control, problem) {
  line.hidden = !problem;
  line.replaceChildren();
  control?.toggleAttribute("aria-invalid", false);
  if (!problem) return;
  control?.setAttribute("aria-invalid", "true");
  const text = h("span");
  bind(text, "text", typeof problem === "function" ? problem : problem.key, problem.values);
  line.append(icon("alert"), text);
}

export const options = (values, chosen) =>
  values.map(([value, text]) => {
    const option = h("option", { value });
    if (typeof text === "string" || Array.isArray(text)) bind(option, "text", ...[].concat(text));
    else bind(option, "text", () => text());
    if (value === chosen) option.selected = true;
    return option;
  });
