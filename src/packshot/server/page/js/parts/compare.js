// Before and after, one over the other, with a line that is drawn by mouse, finger or arrow keys.
import { h } from "../dom.js";
import { isClear, pictureOf, uprightSize } from "./pictures.js";

export function comparison(before, after) {
  const slider = h("input", { type: "range", min: 0, max: 100, step: 1, value: "50", label: "edit.slider" });
  const left = pictureOf(before, 1024);
  const right = pictureOf(after, 1024);
  left.className = "before";
  right.className = "after";
  const figure = h("figure", { class: `compare${isClear(after) ? " clear" : ""}` }, left, right,
    h("span", { class: "line", "aria-hidden": "true" }), h("span", { class: "side-name left", t: "edit.before" }), h("span", { class: "side-name right", t: "edit.after" }), slider);
  const place = () => figure.style.setProperty("--at", `${slider.value}%`);
  slider.addEventListener("input", place);
  place();
  figure.style.setProperty("--ratio", after.width / after.height);
  uprightSize(after, right).then(([width, height]) => figure.style.setProperty("--ratio", width / height));
  return figure;
}
