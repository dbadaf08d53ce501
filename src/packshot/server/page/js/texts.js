// Texts by key, in the language that was chosen. Elements remember their keys, so that switching changes them in place.
import en from "./texts/en.js";
import zh from "./texts/zh.js";

const TABLES = { en, zh };
export const language = () => (document.documentElement.lang.startsWith("zh") ? "zh" : "en");
const locale = () => (language() === "zh" ? "zh-CN" : "en-GB");

const said = (value) => {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return new Intl.NumberFormat(locale(), { maximumFractionDigits: 3 }).format(value);
  if (value instanceof Date) return new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(value);
  if (typeof value === "function") return value();
  if (typeof value === "object" && "key" in value && !("en" in value)) return t(value.key, value.values);
  if (typeof value === "object") return value[language()];
  return String(value);
};

/** A text with its {names} filled in. Values may be numbers, dates, {en, zh}, {key, values} or functions. */
export function t(key, values = {}) {
  const text = TABLES[language()][key];
  if (text === undefined) throw new Error(`no text '${key}'`);
  return text.replace(/\{(\w+)\}/g, (_, name) => said(values[name]));
}

export const has = (key) => key in en;

/** What the server says under a key of a document, in both languages; see `with_chinese` there. */
export const told = (document, key) => ({ en: document[key] ?? "", zh: document.zh?.[key] ?? document[key] ?? "" });

const BOUND = Symbol("texts");

/** Show a text on an element, now and in whatever language is chosen later. `target`: text or an attribute's name. */
export function bind(element, target, key, values) {
  element[BOUND] = { ...element[BOUND], [target]: [key, values] };
  element.setAttribute("data-bound", "");
  show(element, target, key, values);
}

/** Forget a text, so that what stands there stays or goes. */
export function unbind(element, target) {
  if (element[BOUND]) delete element[BOUND][target];
  if (target === "text") element.textContent = "";
  else element.removeAttribute(target);
}

function show(element, target, key, values) {
  const text = typeof key === "function" ? key() : t(key, values);
  if (target === "text") element.textContent = text;
  else element.setAttribute(target, text);
}

const listeners = new Set();
/** Call when the language has changed; for what no single text covers. */
export const onLanguage = (listener) => listeners.add(listener);

export function chooseLanguage(chosen) {
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-bound]")) {
    for (const [target, [key, values]] of Object.entries(element[BOUND] ?? {})) show(element, target, key, values);
  }
  for (const listener of listeners) listener();
}

/** Bind the texts of elements that came as HTML: data-t, data-t-label. */
export function bindAll(root) {
  for (const element of root.querySelectorAll("[data-t]")) bind(element, "text", element.dataset.t);
  for (const element of root.querySelectorAll("[data-t-label]")) bind(element, "aria-label", element.dataset.tLabel);
}
