// What is said to everybody: short notices on the screen, and words for screen readers alone.
import { t } from "./texts.js";
import { button, h } from "./dom.js";

/** Say something to screen readers without showing it. */
export function say(key, values) {
  const line = document.getElementById("polite");
  line.textContent = "";
  requestAnimationFrame(() => { line.textContent = t(key, values); });
}

/** Take away what was said on another screen. */
export const clearNotices = () => document.getElementById("notices").replaceChildren();

/** Show a line for some seconds; with `undo`, a button that takes back what was done. */
export function notice(text, { undo, urgent = false } = {}) {
  const line = typeof text === "function" ? text() : t(text.key ?? text, text.values);
  document.getElementById(urgent ? "assertive" : "polite").textContent = line;
  const box = h("div", { class: "notice" }, h("p", {}, line));
  const gone = () => box.remove();
  if (undo) box.append(button(null, "shell.undo", () => { gone(); undo(); }));
  box.append(button("close", "shell.close", gone, { only: true }));
  document.getElementById("notices").append(box);
  setTimeout(gone, urgent ? 15000 : undo ? 8000 : 4000);
}
