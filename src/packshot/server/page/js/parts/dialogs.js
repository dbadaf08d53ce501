// Questions in a dialog of the browser's own kind: focus stays inside, Escape closes, and focus goes back.
import { button, h } from "../dom.js";

/** Open a dialog with this content; it leaves the page when closed, which a click beside it does unless `beside` is false. */
export function openDialog(content, { label, labelledby, closed, beside = true } = {}) {
  const dialog = h("dialog", { label, "aria-labelledby": labelledby }, content);
  dialog.append(button("close", "shell.close", () => dialog.close(), { only: true, class: "quiet close" }));
  dialog.addEventListener("click", (event) => { if (beside && event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { dialog.remove(); closed?.(); });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Ask before something that can't be taken back; resolves to whether it shall be done. */
export function confirmed(question, values, action) {
  return new Promise((resolve) => {
    let answer = false;
    const dialog = h("dialog", { "aria-labelledby": "ask-title" });
    const no = button(null, "shell.cancel", () => dialog.close());
    const yes = button(null, action, () => { answer = true; dialog.close(); }, { class: "primary danger" });
    dialog.append(h("div", { class: "ask" }, h("h2", { id: "ask-title", t: `${question}.title` }), h("p", { t: [`${question}.text`, values] }), h("div", { class: "row" }, no, yes)));
    dialog.addEventListener("close", () => { dialog.remove(); resolve(answer); });
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}
