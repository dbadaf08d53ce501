// The form that asks for a key. Modal, but can be closed: what was typed below can then still be read and copied.
import { Problem, saying } from "../api.js";
import { button, field, h, icon } from "../dom.js";
import { switchLanguage } from "./language.js";
import { openDialog } from "./dialogs.js";

const SENDABLE = /^[\x21-\x7e]+$/; // what a header may hold

/** Ask until `send(key)` accepts one; resolves to whether it did. `ended`: whether somebody was in before. */
export function keyForm({ ended, send }) {
  let accepted = false;
  const input = h("input", { type: "password", id: "key", name: "key", autocomplete: "current-password", autocapitalize: "off", spellcheck: "false" });
  const key = field("shell.key", input, { hint: "shell.key_hint" });
  const other = button(null, "shell.other_language", switchLanguage, { class: "quiet", label: "shell.switch_language" });
  const enter = h("button", { type: "submit", class: "primary" }, icon("key"), h("span", { t: "shell.sign_in" }));
  const form = h("form", { class: "ask", novalidate: true }, h("h2", { id: "key-title", t: "shell.key_title" }),
    ended && h("p", { t: "shell.key_ended" }), key.root, h("div", { class: "row spread" }, other, enter));

  async function submit(dialog) {
    const text = input.value.trim();
    key.fault(null);
    enter.disabled = true;
    try {
      if (text && SENDABLE.test(text)) {
        await send(text);
        accepted = true;
        dialog.close();
        return;
      }
      key.fault({ key: text ? "shell.key_wrong" : "shell.key_missing" });
    } catch (error) {
      key.fault(error instanceof Problem && error.status === 401 ? { key: "shell.key_wrong" } : saying(error));
    } finally {
      enter.disabled = false;
    }
    input.select();
    input.focus();
  }

  return new Promise((resolve) => {
    const dialog = openDialog(form, { labelledby: "key-title", beside: false, closed: () => resolve(accepted) });
    form.addEventListener("submit", (event) => { event.preventDefault(); submit(dialog); });
    input.focus();
  });
}
