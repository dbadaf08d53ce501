// A control for each parameter of an operation, from what the API says of it; some have one of their own.
import { button, field, h, options, showFault, unique } from "../dom.js";
import { bind, has, language } from "../texts.js";
import { openBrush } from "./brush.js";
import { photoField } from "./photo.js";

const named = (value) => (has(`choice.${value}`) ? `choice.${value}` : () => value);
const list = (values, chosen) => h("select", {}, options(values.map((value) => [value, named(value)]), chosen));

/** The parameters that are shown at once; others are behind "more". */
const FIRST = {
  dimensions: ["size", "units", "beside"],
  cutout: ["glass"], background: ["to"], shadow: ["kind", "strength"], relight: ["direction", "strength"], recolour: ["to", "part"],
  erase: ["mask"], enlarge: ["times"], fit: ["size", "share", "upscale"], crop: ["box"], tilt: ["yaw", "pitch"], sharpen: ["amount"],
  text: ["words", "at", "size", "colour"], badge: ["words", "at", "colour", "shape"],
};
export const isFirst = (operation, parameter) => parameter.required || !FIRST[operation] || FIRST[operation].includes(parameter.name);

/** Words that a form can list where the API can't, because more is accepted. */
const LISTED = {
  "shadow.kind": ["contact", "drop", "contact+drop", "reflection", "contact+reflection", "flat"],
  "cutout.glass": ["no", "auto"],
  "recolour.part": ["", "all"],
};
const SUGGESTED = {
  "fit.size": ["1000x1000", "800x800", "1600x1600", "750x1000", "1200x1600"],
  "dimensions.size": ["30x20cm", "30x20x10cm", "12x8in"],
  "crop.box": ["product", "1:1", "4:5", "3:4"],
  "white_balance.to": ["auto", "5000K", "3500K"],
  "exposure.stops": ["auto", "0.5", "-0.5"],
  "straighten.by": ["auto"],
};
const COLOURS = new Set(["text.colour", "text.outline", "text.plate", "badge.colour"]);

/** {root, value() or undefined for the default, set(value), fault(problem)} of a parameter. */
export function valueField(operation, parameter, { photo, changed = () => {} }) {
  const name = `${operation}.${parameter.name}`;
  const own = { "background.to": placeField, "recolour.to": colourOrPhoto, "erase.mask": maskField }[name];
  const label = has(`op.${name}`) ? `op.${name}` : () => parameter.name.replaceAll("_", " ");
  if (own) return own(label, parameter, { photo, changed });
  if (parameter.type === "boolean") return truth(label, parameter, changed);
  if (LISTED[name] ?? parameter.choices) {
    const found = choice(label, parameter, LISTED[name] ?? parameter.choices, changed);
    if (name === "dimensions.language") found.set(language());
    return found;
  }
  if (COLOURS.has(name)) return colour(label, parameter, changed);
  return text(label, parameter, SUGGESTED[name], name === "text.words", changed);
}

const isDefault = (parameter, value) => !parameter.required && (value === parameter.default || value === "" || value === null);

function text(label, parameter, suggested, long, changed) {
  const numeric = parameter.type === "number" || parameter.type === "integer";
  const control = h(long ? "textarea" : "input", { ...(long ? { rows: 2 } : { type: numeric ? "number" : "text" }), step: numeric ? (parameter.type === "integer" ? 1 : "any") : null, min: parameter.minimum, max: parameter.maximum, required: parameter.required, autocomplete: "off" });
  const words = suggested && h("datalist", { id: unique("words") }, suggested.map((value) => h("option", { value })));
  if (words) control.setAttribute("list", words.id);
  if (parameter.default === null) bind(control, "placeholder", "edit.by_itself");
  else if (parameter.default !== "") control.placeholder = String(parameter.default);
  control.addEventListener("input", changed);
  const bounded = parameter.minimum !== null && parameter.minimum !== undefined;
  const shown = field(label, control, { hint: bounded && ["edit.range", { low: parameter.minimum, high: parameter.maximum }] });
  if (words) shown.root.append(words);
  return {
    ...shown,
    value() {
      const given = long ? control.value.trim().replaceAll("\n", "\\n") : control.value.trim();
      if (given === "") return undefined;
      return numeric ? Number(given) : given;
    },
    set(value) { control.value = value === undefined || value === null ? "" : String(value).replaceAll("\\n", "\n"); },
  };
}

function choice(label, parameter, values, changed) {
  const control = list(values, parameter.default ?? values[0]);
  control.addEventListener("change", changed);
  return {
    ...field(label, control),
    value: () => (isDefault(parameter, control.value) ? undefined : control.value),
    set(value) {
      const wanted = String(value ?? parameter.default ?? values[0]);
      if (![...control.options].some((option) => option.value === wanted)) control.append(h("option", { value: wanted }, wanted));
      control.value = wanted;
    },
  };
}

function truth(label, parameter, changed) {
  const control = h("input", { type: "checkbox", checked: Boolean(parameter.default) });
  control.addEventListener("change", changed);
  const root = h("div", { class: "field" }, h("label", { class: "choice" }, control, h("span", { t: label })));
  return { root, control, value: () => (control.checked === parameter.default ? undefined : control.checked), set: (value) => { control.checked = value ?? parameter.default; }, fault: () => {} };
}

/** A colour by name or code, with a picker beside it. */
function colourControl(initial, changed) {
  const control = h("input", { type: "text", value: initial ?? "", autocomplete: "off" });
  const picker = h("input", { type: "color", label: "create.any_colour" });
  const mirror = () => { if (/^#[0-9a-f]{6}$/i.test(control.value)) picker.value = control.value; };
  picker.addEventListener("input", () => { control.value = picker.value; changed(); });
  control.addEventListener("input", () => { mirror(); changed(); });
  mirror();
  return { control, row: h("div", { class: "with-button" }, control, picker), mirror };
}

function colour(label, parameter, changed) {
  const { control, row, mirror } = colourControl(parameter.default, changed);
  return { ...field(label, control, { extra: row }), value: () => (isDefault(parameter, control.value.trim()) ? undefined : control.value.trim()), set: (value) => { control.value = value ?? parameter.default ?? ""; mirror(); } };
}

/** Ways to say one value, of which one is chosen: {name: {root, value, set(value) whether it is its kind, control}}. */
function kindsField(label, kinds, changed) {
  const names = Object.keys(kinds);
  let chosen = names[0];
  const select = h("select", {}, options(names.map((name) => [name, `kind.${name}`]), chosen));
  const shown = field(label, select, {});
  const place = h("div");
  const show = () => { select.value = chosen; place.replaceChildren(kinds[chosen].root); };
  select.addEventListener("change", () => { chosen = select.value; show(); changed(); });
  shown.root.insertBefore(place, shown.root.lastChild);
  show();
  return {
    ...shown,
    value: () => kinds[chosen].value(),
    set(value) { chosen = names.find((name) => kinds[name].takes(value)) ?? chosen; kinds[chosen].set(value); show(); },
    fault: (problem) => (kinds[chosen].fault ?? shown.fault)(problem),
  };
}

const flat = { root: "", takes: () => false };
function colourKind(initial, changed) {
  const { control, row, mirror } = colourControl(initial, changed);
  const shown = field("kind.colour_value", control, { extra: row, hint: "kind.colour_hint" });
  return { root: shown.root, fault: shown.fault, value: () => control.value.trim() || undefined, takes: (value) => /^#/.test(value) || !/[:\s]/.test(value), set: (value) => { control.value = value; mirror(); } };
}
function photoKind(prefix, changed) {
  const picture = photoField({ text: "create.like_drop", changed });
  return { root: picture.root, fault: picture.fault, value: () => (picture.asset() ? prefix + picture.asset().id : undefined), takes: (value) => value.startsWith(prefix), set: (value) => picture.set(value.slice(prefix.length)) };
}
const fixed = (value) => ({ ...flat, value: () => value, takes: (given) => given === value, set: () => {} });

function placeField(label, parameter, { changed }) {
  const words = h("input", { type: "text", placeholder: "kind.place_example", autocomplete: "off" });
  words.addEventListener("input", changed);
  const place = field("kind.place_words", words, { hint: "kind.place_hint" });
  return kindsField(label, {
    colour: colourKind("#ffffff", changed),
    place: { root: place.root, fault: place.fault, value: () => words.value.trim() || undefined, takes: (value) => /\s|[\u3400-\u9fff]/.test(value) && !/^\w+:/.test(value), set: (value) => { words.value = value; } },
    sweep: fixed("sweep"),
    gradient: fixed("gradient:#ffffff,#d9dde2"),
    picture: photoKind("picture:", changed),
    transparent: fixed("transparent"),
  }, changed);
}

function colourOrPhoto(label, parameter, { changed }) {
  return kindsField(label, { colour: colourKind("#1f3a6e", changed), photo: photoKind("photo:", changed) }, changed);
}

function maskField(label, parameter, { photo, changed }) {
  let mask = "";
  const count = h("p", { class: "hint" });
  const open = button("brush", "brush.open", () => openBrush(photo(), mask, (text) => { mask = text; show(); fault(null); changed(); open.focus(); }));
  const line = h("p", { class: "fault", hidden: true });
  const root = h("div", { class: "field" }, h("span", { class: "label", t: label }), h("div", { class: "row" }, open, count), line);
  const fault = (problem) => showFault(line, null, problem);
  const show = () => bind(count, "text", mask ? "brush.marked" : "brush.not_marked");
  show();
  return { root, control: open, fault, value: () => mask || undefined, set: (value) => { mask = value ?? ""; show(); } };
}
