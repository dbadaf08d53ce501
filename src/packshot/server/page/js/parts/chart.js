// A curve over training steps, drawn as a vector graphic; the same numbers stand in a table.
import { h, s } from "../dom.js";
import { bind } from "../texts.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [640, 240, 52, 28, 12];

/** `points`: rows with `step` and numbers by name. Returns an element with the curve of one name. */
export function curve(points, name) {
  const rows = points.filter((point) => Number.isFinite(point[name]));
  if (rows.length < 2) return h("p", { class: "hint", t: "training.no_curve" });
  const values = rows.map((row) => row[name]);
  const [low, high] = span(values);
  const [first, last] = [rows[0].step, rows.at(-1).step];
  const x = (step) => LEFT + ((step - first) / (last - first || 1)) * (WIDTH - LEFT - 8);
  const y = (value) => TOP + (1 - (value - low) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM);
  const path = (list) => rows.map((row, at) => `${at ? "L" : "M"}${x(row.step).toFixed(1)} ${y(Math.min(high, Math.max(low, list[at]))).toFixed(1)}`).join("");
  const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve", role: "img" });
  bind(svg, "aria-label", "training.curve_of", { name, from: values[0], to: values.at(-1), step: last });
  for (const value of ticks(low, high)) svg.append(s("line", { x1: LEFT, x2: WIDTH - 8, y1: y(value), y2: y(value), class: "grid" }), label(LEFT - 8, y(value) + 4, short(value), "end"));
  svg.append(label(x(first), HEIGHT - 8, short(first), "start"), label(x(last), HEIGHT - 8, short(last), "end"));
  svg.append(s("path", { d: path(values), class: "raw" }), s("path", { d: path(smoothed(values)), class: "smooth" }));
  return svg;
}

function label(x, y, text, anchor) {
  const node = s("text", { x, y, "text-anchor": anchor });
  node.textContent = text;
  return node;
}

/** The range without the outermost hundredth at each side, so that one spike does not flatten the rest. */
function span(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  const [low, high] = [at(0.01), at(0.99)];
  return low === high ? [low - 1, high + 1] : [low, high];
}

const ticks = (low, high) => [0, 1, 2, 3].map((n) => low + ((high - low) * n) / 3);
const short = (value) => (Math.abs(value) >= 1000 ? `${Math.round(value / 100) / 10}k` : String(Number(value.toPrecision(3))));

function smoothed(values) {
  const keep = 1 - 1 / Math.max(1, Math.min(20, values.length / 10));
  let mean = values[0];
  return values.map((value) => (mean = keep * mean + (1 - keep) * value));
}
