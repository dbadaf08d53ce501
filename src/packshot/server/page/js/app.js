// The shell: language, theme, and the screens, each loaded when it is first shown and kept from then on.
import { clearNotices, notice } from "./announce.js";
import { doings, saying } from "./api.js";
import { h, icon } from "./dom.js";
import { kept } from "./kept.js";
import { switchLanguage } from "./parts/language.js";
import { address, settle } from "./route.js";
import { asksForKeys, enter, may, onSession, session, signIn, signOut } from "./session.js";
import { bind, bindAll, language, onLanguage, t, unbind } from "./texts.js";

const LOADERS = {
  create: () => import("./screens/create.js"),
  edit: () => import("./screens/edit.js"),
  listing: () => import("./screens/listing.js"),
  gallery: () => import("./screens/gallery.js"),
  models: () => import("./screens/models.js"),
};
/** Scopes that a screen uses beside `read`. */
const NEEDS = { create: ["generate"], edit: ["edit", "upload"], listing: ["listing"], gallery: [], models: ["train"] };
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
  if (!(await enter()) || current !== name) return; // the address is followed once somebody is let in
  if (Object.keys(parameters).length) settle(name);
  else clearNotices();
  if (!first) {
    scrollTo(0, 0);
    screen.root.querySelector("h1").focus({ preventScroll: true });
  }
  if (may("read")) screen.show?.(parameters);
}

async function build(name) {
  if (!built.has(name)) {
    const module = await LOADERS[name]();
    if (!built.has(name)) {
      const title = h("h1", { id: `${name}-title`, tabindex: "-1", t: `${name}.title` });
      const root = h("section", { class: `screen ${name}`, "aria-labelledby": `${name}-title` });
      const limits = h("p", { class: "limits", hidden: true });
      root.append(h("header", {}, title, h("p", { class: "lead", t: `${name}.lead` })), limits);
      document.getElementById("main").append(root);
      built.set(name, { root, limits, ...module.build(root) });
      limit(name);
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

const THEMES = ["auto", "light", "dark"];
function theme() { return document.documentElement.dataset.theme ?? "auto"; }
function switchTheme() {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  kept.set("theme", next);
  notice({ key: `shell.theme_${next}` });
}

/** The way out for who is signed in, and in for who is not; neither where the server asks for no keys. */
function showWho() {
  const press = document.getElementById("sign");
  const who = session();
  press.hidden = !asksForKeys();
  bind(press, "text", who ? "shell.sign_out" : "shell.sign_in");
  if (who) bind(press, "title", "shell.signed_in", { name: who.name });
  else unbind(press, "title");
  for (const name of built.keys()) limit(name);
}

/** Say above a screen what the key may not do of it. */
function limit(name) {
  const { root, limits } = built.get(name);
  const closed = !may("read");
  const lacking = closed ? ["read"] : NEEDS[name].filter((scope) => !may(scope));
  root.classList.toggle("closed", closed);
  const said = () => t(closed ? "shell.closed" : "shell.limited", { name: session().name, what: doings(lacking) });
  limits.replaceChildren(...(lacking.length ? [icon("info"), h("span", { t: said })] : []));
  limits.hidden = !lacking.length;
}

bindAll(document);
onSession(showWho);
document.getElementById("sign").addEventListener("click", async () => {
  if (session()) await signOut();
  else if (await signIn()) show();
});
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
