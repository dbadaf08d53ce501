// The shell: language, theme, and the screens, each loaded when it is first shown and kept from then on.
import { clearNotices, notice } from "./announce.js";
import { ask, saying } from "./api.js";
import { field, h } from "./dom.js";
import { kept } from "./kept.js";
import { openDialog } from "./parts/dialogs.js";
import { address, settle } from "./route.js";
import { bind, bindAll, chooseLanguage, language, onLanguage, t } from "./texts.js";

const LOADERS = {
  create: () => import("./screens/create.js"),
  edit: () => import("./screens/edit.js"),
  listing: () => import("./screens/listing.js"),
  gallery: () => import("./screens/gallery.js"),
  models: () => import("./screens/models.js"),
};
const built = new Map();
let current = "";

async function show({ first = false } = {}) {
  const { name: asked, parameters } = address();
  if (!(asked in LOADERS)) return; // an anchor inside the page
  const name = (current = asked);
  mark(name);
  const screen = await build(name);
  if (current !== name) return; // somebody was quicker than the network
  for (const [other, { root }] of built) root.hidden = other !== name;
  if (Object.keys(parameters).length) settle(name);
  else clearNotices();
  if (!first) {
    scrollTo(0, 0);
    screen.root.querySelector("h1").focus({ preventScroll: true });
  }
  screen.show?.(parameters);
}

async function build(name) {
  if (!built.has(name)) {
    const module = await LOADERS[name]();
    if (!built.has(name)) {
      const title = h("h1", { id: `${name}-title`, tabindex: "-1", t: `${name}.title` });
      const root = h("section", { class: `screen ${name}`, "aria-labelledby": `${name}-title` });
      root.append(h("header", {}, title, h("p", { class: "lead", t: `${name}.lead` })));
      document.getElementById("main").append(root);
      built.set(name, { root, ...module.build(root) });
    }
  }
  return built.get(name);
}

function mark(name) {
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.getAttribute("href") === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${t(`${name}.name`)} · packshot`;
}

function switchLanguage() {
  const other = language() === "zh" ? "en" : "zh";
  kept.set("language", other);
  chooseLanguage(other);
}

const THEMES = ["auto", "light", "dark"];
function theme() { return document.documentElement.dataset.theme ?? "auto"; }
function switchTheme() {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  kept.set("theme", next);
  notice({ key: `shell.theme_${next}` });
}

/** Where the server asks for a key: enter one, which becomes a cookie that no script can read. */
let asking = null;
function askForKey() {
  if (asking) return;
  const input = h("input", { type: "password", id: "key", autocomplete: "current-password", required: true });
  const key = field("shell.key", input, { hint: "shell.key_hint" });
  const enter = h("button", { type: "submit", class: "primary", t: "shell.key_enter" });
  const form = h("form", { class: "ask" }, h("h2", { id: "key-title", t: "shell.key_title" }), key.root, h("div", { class: "row" }, enter));
  asking = openDialog(form, { labelledby: "key-title", closed: () => { asking = null; } });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await ask("POST", "/v1/session", { headers: { Authorization: `Bearer ${input.value.trim()}` } });
      location.reload();
    } catch (error) {
      key.fault(saying(error));
      input.focus();
    }
  });
}

bindAll(document);
addEventListener("packshot:key", askForKey);
bind(document.getElementById("language"), "lang", () => (language() === "zh" ? "en" : "zh-CN"));
document.getElementById("language").addEventListener("click", switchLanguage);
document.getElementById("theme").addEventListener("click", switchTheme);
onLanguage(() => mark(current));
addEventListener("hashchange", () => show());
// What no screen expected: said in one line rather than lost.
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.name !== "AbortError") notice(saying(event.reason), { urgent: true });
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
show({ first: true });
