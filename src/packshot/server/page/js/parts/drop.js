// A place to drop files on, which is a file input for the keyboard and for fingers.
import { h, icon, showFault, unique } from "../dom.js";

/** A drop zone. `text`, `hint`: keys. `took` gets an array of files. Returns {root, input, fault}. */
export function dropZone({ text, hint, accept, multiple = false, large = false, took, named }) {
  const id = unique("drop");
  const fault = h("p", { class: "fault", id: `${id}-fault`, hidden: true });
  const input = h("input", { type: "file", id, accept, multiple, label: named ?? text, "aria-describedby": `${id}-fault` });
  const zone = h("div", { class: `drop${large ? " large" : ""}` }, icon("upload"), h("strong", { t: text }), hint && h("span", { class: "hint", t: hint }), input);
  const take = (files) => { if (files.length) took(multiple ? [...files] : [files[0]]); };
  input.addEventListener("change", () => { take([...input.files]); input.value = ""; });
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take([...event.dataTransfer.files]);
  });
  return { root: h("div", { class: "field" }, zone, fault), zone, input, fault: (problem) => showFault(fault, input, problem) };
}
