// What can be said of a request beside its words. Sliders that are left alone leave the choice to the pack.
import { get } from "../api.js";
import { button, field, h, icon, options } from "../dom.js";
import { kept } from "../kept.js";
import { bind, unbind } from "../texts.js";
import { photoField } from "./photo.js";

const LARGEST_SEED = Number.MAX_SAFE_INTEGER;

/** Fields of a request; `other()` is called when another pack was chosen. Returns {root, wish(), fill(request), pack(name), chosen(), seed(number), like(asset), fault(name, problem)}. */
export function settingsFor({ other }) {
  const seedInput = h("input", { type: "text", inputmode: "numeric", pattern: "[0-9]*", placeholder: "create.seed_any", autocomplete: "off" });
  const dice = button("dice", "create.seed_new", () => { seedInput.value = String(crypto.getRandomValues(new Uint32Array(1))[0] >>> 1); seed.fault(null); }, { only: true });
  const seed = field("create.seed", seedInput, { hint: "create.seed_hint", extra: h("div", { class: "with-button" }, seedInput, dice) });
  const guidance = sliderField("create.guidance", { min: 1, max: 6, step: 0.1, auto: true, hint: "create.guidance_hint" });
  const emphasis = sliderField("create.emphasis", { min: 0, max: 6, step: 0.1, auto: true, hint: "create.emphasis_hint" });
  const variety = sliderField("create.variety", { min: 0, max: 2, step: 0.1, value: 1, hint: "create.variety_hint" });
  const change = sliderField("create.change", { min: 0, max: 1, step: 0.05, value: 0.6, hint: "create.change_hint" });
  const negative = field("create.negative", h("input", { type: "text", maxlength: 500, placeholder: "create.negative_example" }), { hint: "create.negative_hint" });
  const select = (name, rows, chosen) => field(`create.${name}`, h("select", {}, options(rows, chosen)));
  const size = select("size", [256, 512, 1024, 1600].map((side) => [String(side), ["create.pixels", { side }]]), "512");
  const count = select("count", [1, 2, 4, 8].map((number) => [String(number), ["create.number", { number }]]), "4");
  const background = select("background", ["white", "transparent"].map((name) => [name, `create.background_${name}`]), "white");
  const format = select("format", ["png", "jpg", "webp"].map((name) => [name, () => name.toUpperCase()]), "png");
  const pack = field("create.pack", h("select", {}, options([["", "create.pack_usual"]], "")));
  pack.control.addEventListener("change", other);
  const like = photoField({ text: "create.like_drop", hint: "create.like_hint", named: "create.like", changed: (asset) => { change.root.hidden = !asset; } });
  change.root.hidden = true;

  const details = h("details", { class: "more" }, h("summary", {}, icon("chevron"), h("span", { t: "create.settings" })), h("div", { class: "settings" },
    h("div", { class: "fields" }, guidance.root, emphasis.root, variety.root, negative.root, seed.root, size.root, count.root, background.root, format.root, pack.root),
    h("div", { class: "field like" }, h("span", { class: "label", t: "create.like" }), like.root, change.root)));
  let offered = false;
  details.open = kept.get("settings") === "open";
  details.addEventListener("toggle", () => { // also tells that it was open from the start
    kept.set("settings", details.open ? "open" : "closed");
    if (details.open) offerPacks();
  });
  addEventListener("packshot:packs", () => { // one came, or one is gone
    offered = false;
    if (details.open) offerPacks();
  });

  async function offerPacks() {
    if (offered) return;
    offered = true;
    const { packs } = await get("/v1/packs");
    const drawing = packs.filter(({ kind }) => ["flow", "gan", "vae"].includes(kind));
    const wanted = drawing.some(({ name }) => name === pack.control.value) ? pack.control.value : "";
    const rows = drawing.map(({ name, version }) => [name, () => `${name} ${version}`]);
    const changed = wanted !== pack.control.value;
    pack.control.replaceChildren(...options([["", "create.pack_usual"], ...rows], wanted));
    if (changed) other();
  }

  const faults = { seed, guidance, emphasis, variety, change, negative, size, count, background, format, pack, like };
  const setPack = (name) => {
    if (name && ![...pack.control.options].some((option) => option.value === name)) pack.control.append(h("option", { value: name }, name));
    pack.control.value = name ?? "";
    other();
  };
  return {
    root: details,
    /** The fields of a request, or null where one of them can't be read. */
    wish() {
      for (const one of Object.values(faults)) one.fault(null);
      const text = seedInput.value.trim();
      if (text && !(/^\d+$/.test(text) && Number(text) <= LARGEST_SEED)) {
        details.open = true;
        seed.fault({ key: "create.seed_wrong" });
        seedInput.focus();
        return null;
      }
      const wish = { seed: text ? Number(text) : null, count: Number(count.control.value), size: Number(size.control.value), background: background.control.value, format: format.control.value };
      if (guidance.value() !== null) wish.guidance = guidance.value();
      if (emphasis.value() !== null) wish.emphasis = emphasis.value();
      if (variety.value() !== 1) wish.variety = variety.value();
      if (negative.control.value.trim()) wish.negative = negative.control.value.trim();
      if (like.asset()) Object.assign(wish, { like: like.asset().id, change: change.value() });
      if (pack.control.value) wish.pack = pack.control.value;
      return wish;
    },
    async fill(request) {
      seedInput.value = String(request.seed);
      guidance.set(request.guidance);
      emphasis.set(request.emphasis);
      variety.set(request.variety ?? 1);
      negative.control.value = request.negative ?? "";
      if ([...size.control.options].some(({ value }) => value === String(request.size))) size.control.value = String(request.size);
      if (["white", "transparent"].includes(request.background)) background.control.value = request.background;
      if (request.format) format.control.value = request.format;
      setPack(request.pack);
      change.set(request.change ?? 0.6);
      if (request.like?.startsWith("asset_")) await like.set(request.like).catch(() => like.clear()); // deleted since
      else like.clear();
    },
    pack(name) {
      setPack(name);
      details.open = true;
    },
    chosen: () => pack.control.value,
    seed(number) { seedInput.value = number === null ? "" : String(number); },
    async like(asset) {
      change.set(0.5);
      await like.set(asset);
    },
    /** Show what is wrong with a field; whether there is such a field. */
    fault(name, problem) {
      const found = faults[name];
      if (!found) return false;
      details.open = true;
      found.fault(problem);
      (found.control ?? like.root.querySelector("input, button")).focus();
      return true;
    },
  };
}

/** A slider; with `auto`, null until somebody moves it, and again after "automatic". */
export function sliderField(label, { min, max, step, value = null, auto = false, hint }) {
  const range = h("input", { type: "range", min, max, step });
  const output = h("output");
  const reset = button(null, "create.automatic", () => { set(null); range.focus(); }, { class: "quiet tiny" });
  const root = field(label, range, { hint, output: h("span", { class: "row tight" }, output, auto && reset) });
  let chosen = value;
  function set(next) {
    chosen = next ?? (auto ? null : value);
    range.value = String(chosen ?? (min + max) / 2);
    show();
  }
  function show() {
    unbind(output, "text");
    unbind(range, "aria-valuetext");
    if (chosen === null) {
      bind(output, "text", "create.automatic");
      bind(range, "aria-valuetext", "create.automatic");
    } else bind(output, "text", "create.number", { number: chosen });
    reset.hidden = chosen === null;
  }
  range.addEventListener("input", () => { chosen = Number(range.value); show(); });
  set(value);
  return { ...root, value: () => chosen, set };
}
