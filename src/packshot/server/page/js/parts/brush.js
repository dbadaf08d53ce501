// Marking a part of a photo: with a brush, or as a rectangle in numbers. The mark is text: boxes and circles.
import { button, field, h, icon } from "../dom.js";
import { openDialog } from "./dialogs.js";
import { pictureOf, uprightSize } from "./pictures.js";

const MOST_SHAPES = 4000;

/** Parse 'x,y,w,h;circle:x,y,r' into strokes: arrays of shapes that are undone together. */
const shapesOf = (text) => text.split(";").map((part) => part.trim()).filter(Boolean);

/** Open the dialog; `done` gets the new text. */
export async function openBrush(photo, text, done) {
  const image = pictureOf(photo, 1024);
  const canvas = h("canvas", { label: "brush.canvas", role: "img" });
  const size = h("input", { type: "range", min: 1, max: 20, step: 0.5, value: "4" });
  const strokes = text ? [shapesOf(text)] : [];
  const undo = button("undo", "brush.undo", () => { strokes.pop(); paint(); });
  const clear = button("trash", "brush.clear", () => { strokes.length = 0; paint(); });
  const numbers = ["x", "y", "width", "height"].map((name) => field(`brush.${name}`, h("input", { type: "number", min: 0, step: 1, inputmode: "numeric" })));
  const add = button("plus", "brush.add_box", addBox);
  const finish = button("check", "brush.done", () => { done(strokes.flat().join(";")); dialog.close(); }, { class: "primary" });
  const about = h("p", { class: "hint" });
  const dialog = openDialog(h("div", { class: "brush" },
    h("h2", { id: "brush-title", t: "brush.title" }), h("p", { class: "hint", t: "brush.hint" }), h("div", { class: "easel" }, canvas),
    h("div", { class: "row" }, field("brush.size", size).root, undo, clear),
    h("details", { class: "more" }, h("summary", {}, icon("chevron"), h("span", { t: "brush.by_numbers" })),
      h("form", { class: "box-numbers", on: { submit: (event) => { event.preventDefault(); addBox(); } } }, about, h("div", { class: "numbers" }, numbers.map((one) => one.root)), add)),
    h("div", { class: "row end foot" }, finish)), { labelledby: "brush-title" });

  const [width, height] = await uprightSize(photo, image);
  about.textContent = `${width} × ${height} px`;
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const scale = width / canvas.width;
  const context = canvas.getContext("2d");
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--brush").trim() || "#e0218a";

  function paint() {
    context.globalAlpha = 1;
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    const layer = new OffscreenCanvas(canvas.width, canvas.height);
    const over = layer.getContext("2d");
    over.fillStyle = ink;
    for (const shape of strokes.flat()) draw(over, shape, scale);
    context.globalAlpha = 0.7;
    context.drawImage(layer, 0, 0);
    undo.disabled = clear.disabled = strokes.length === 0;
  }

  function addBox() {
    const values = numbers.map((one) => Number(one.control.value));
    const [x, y, w, h_] = values;
    const wrong = !(w > 0 && h_ > 0 && x + w <= width && y + h_ <= height && values.every((value) => value >= 0));
    numbers.at(-1).fault(wrong ? { key: "brush.box_wrong", values: { width, height } } : null);
    if (wrong) return;
    strokes.push([values.map(Math.round).join(",")]);
    paint();
    for (const one of numbers) one.control.value = "";
    numbers[0].control.focus();
  }

  let stroke = null;
  let last = null;
  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  };
  const radius = () => (Number(size.value) / 100) * Math.min(width, height);
  function dab(x, y) {
    if (strokes.flat().length < MOST_SHAPES) stroke.push(`circle:${Math.round(x)},${Math.round(y)},${Math.max(1, Math.round(radius()))}`);
    last = [x, y];
  }
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    strokes.push((stroke = []));
    dab(...placeOf(event));
    paint();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!stroke) return;
    const [x, y] = placeOf(event);
    const far = Math.hypot(x - last[0], y - last[1]);
    const step = Math.max(1, radius() * 0.4);
    if (far < step) return;
    const [fromX, fromY] = last;
    for (let at = step; at <= far; at += step) dab(fromX + ((x - fromX) * at) / far, fromY + ((y - fromY) * at) / far);
    paint();
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { stroke = null; });
  paint();
}

function draw(context, shape, scale) {
  const circle = shape.startsWith("circle:");
  const [x, y, a, b] = shape.replace("circle:", "").split(",").map((number) => Number(number) / scale);
  context.beginPath();
  if (circle) context.arc(x, y, a, 0, 2 * Math.PI);
  else context.rect(x, y, a, b);
  context.fill();
}
