// Edit: a photo, steps in order, the result over the photo, and what is proven of it.
import { notice, say } from "../announce.js";
import { cancel, follow, get, Problem, problemOfJob, saying, startJob, upload } from "../api.js";
import { button, field, h, icon, options, showFault } from "../dom.js";
import { comparison } from "../parts/compare.js";
import { dropZone } from "../parts/drop.js";
import { PICTURES } from "../parts/photo.js";
import { download, heart, isClear, pictureOf } from "../parts/pictures.js";
import { proofOf } from "../parts/proof.js";
import { stepsFor } from "../parts/steps.js";
import { t } from "../texts.js";

/** Common wishes as steps; words of places come from the texts, so that they are in the language of the page. */
const PRESETS = {
  white: () => [{ op: "background", to: "#ffffff" }, { op: "fit", size: "1000x1000" }],
  studio: () => [{ op: "background", to: "sweep" }, { op: "shadow", kind: "contact" }],
  table: () => [{ op: "background", to: t("preset.table_words") }, { op: "shadow", kind: "contact+drop" }],
  cutout: () => [{ op: "cutout" }],
  sale: () => [{ op: "background", to: "#f4f1ec" }, { op: "shadow", kind: "contact" }, { op: "badge", words: t("preset.sale_words") }],
};

export function build(root) {
  let photo = null;
  let running = null;
  let steps = null;
  const zone = dropZone({ text: "edit.drop", hint: "edit.drop_hint", accept: PICTURES, large: true, took: async ([file]) => {
    zone.fault(null);
    try { hold(await upload(file)); } catch (error) { zone.fault(saying(error)); }
  } });
  const stage = h("div", { class: "stage" });
  const results = h("div", { class: "results" });
  const left = h("div", { class: "edit-left" }, zone.root, stage, results);
  const presets = h("div", { class: "chips presets", role: "group", label: "edit.presets" }, Object.keys(PRESETS).map((name) => h("button", { type: "button", class: "chip example", t: `preset.${name}`, on: { click: async () => { (await load()).set(PRESETS[name]()); say("edit.preset_taken"); } } })));
  const stepsPlace = h("div", {}, h("p", { class: "hint", t: "edit.loading" }));
  const colours = field("edit.colourways", h("input", { type: "text", placeholder: "edit.colourways_example", autocomplete: "off" }), { hint: "edit.colourways_hint" });
  const format = field("create.format", h("select", {}, options(["png", "jpg", "webp"].map((name) => [name, () => name.toUpperCase()]), "png")));
  const apply = h("button", { type: "submit", class: "primary" }, icon("check"), h("span", { t: "edit.apply" }));
  const stop = button("stop", "create.stop", () => running && cancel(running), { class: "quiet", hidden: true });
  const progress = h("p", { class: "hint", role: "status" });
  const fault = h("p", { class: "fault", role: "alert", hidden: true });
  const more = h("details", { class: "more" }, h("summary", {}, icon("chevron"), h("span", { t: "edit.output" })), h("div", { class: "step-fields" }, format.root, colours.root));
  const form = h("form", { class: "edit-right", novalidate: true }, h("h2", { t: "edit.what" }), presets, stepsPlace, more, fault, h("div", { class: "row sticky" }, apply, stop, progress));
  root.append(h("div", { class: "edit-layout" }, left, form));

  function hold(asset) {
    photo = asset;
    zone.root.hidden = asset !== null;
    results.replaceChildren();
    stage.replaceChildren();
    if (!asset) return;
    stage.append(h("div", { class: "row spread" }, h("span", { class: "name" }, asset.name), button("upload", "edit.other_photo", () => { hold(null); zone.input.focus(); }, { class: "quiet" })),
      h("figure", { class: `compare still${isClear(asset) ? " clear" : ""}` }, pictureOf(asset, 1024)));
  }

  let loading = null;
  const load = () => (loading ??= get("/v1/operations").then(({ operations }) => {
    steps = stepsFor(operations, { photo: () => photo, changed: () => showFault(fault, null, null) });
    stepsPlace.replaceChildren(steps.root);
    return steps;
  }, (error) => { loading = null; stepsPlace.replaceChildren(h("p", { class: "fault", t: saying(error) })); throw error; }));

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return;
    showFault(fault, null, null);
    zone.fault(null);
    if (!photo) { zone.fault({ key: "edit.no_photo" }); zone.input.focus(); return; }
    const wanted = (await load()).steps();
    if (!wanted) return;
    const ways = colours.control.value.split(/[,，、;；]/).map((one) => one.trim()).filter(Boolean);
    if (!wanted.length && !ways.length) { showFault(fault, null, { key: "edit.no_steps" }); return; }
    const request = { photo: photo.id, steps: wanted, format: format.control.value };
    if (ways.length) request.colourways = { to: ways };
    await run(request);
  });

  async function run(request) {
    apply.disabled = true;
    stop.hidden = false;
    left.setAttribute("aria-busy", "true");
    try {
      running = await startJob("/v1/edits", request);
      const end = await follow(running, (job) => { progress.textContent = t(job.status === "queued" ? "create.waiting" : "edit.working"); });
      if (end.status !== "done") throw problemOfJob(end);
      await show(end);
      progress.textContent = t("edit.done");
    } catch (error) {
      progress.textContent = "";
      if (error instanceof Problem && error.where.startsWith("colourways")) { more.open = true; colours.fault(saying(error)); }
      else if (!(error instanceof Problem && steps.fault(error.where, saying(error)))) showFault(fault, null, saying(error));
    } finally {
      running = null;
      apply.disabled = false;
      stop.hidden = true;
      left.removeAttribute("aria-busy");
    }
  }

  async function show(job) {
    const made = await Promise.all(job.result.pictures.map(({ asset }) => get(`/v1/assets/${asset}`)));
    const before = photo.id === job.result.photo ? photo : await get(`/v1/assets/${job.result.photo}`);
    zone.root.hidden = true;
    const strip = made.length > 1 ? h("div", { class: "strip", role: "group", label: "edit.pictures" }) : null;
    const pick = (asset) => {
      const on = button("edit", "edit.go_on", () => { hold(asset); steps.set([]); }, {});
      const other = button("upload", "edit.other_photo", () => { hold(null); zone.input.focus(); }, { class: "quiet" });
      const save = download(asset, { class: "button primary", label: null });
      save.append(h("span", { t: "picture.download" }));
      stage.replaceChildren(comparison(before, asset), h("div", { class: "row" }, save, heart(asset), on, other));
      results.replaceChildren(...[strip, proofOf(asset)].filter(Boolean));
      for (const one of strip?.children ?? []) one.setAttribute("aria-pressed", String(one.dataset.asset === asset.id));
    };
    strip?.append(...made.map((asset) => h("button", { type: "button", class: "picture", data: { asset: asset.id }, label: ["edit.in_colour", { colour: asset.details.colour }], on: { click: () => pick(asset) } }, pictureOf(asset, 256))));
    pick(made[0]);
    for (const [at, en] of (job.request.cautions ?? []).entries()) notice({ key: "problem.said", values: { detail: { en, zh: job.zh.cautions[at] } } });
    if (innerWidth < 900) stage.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  return {
    async show(parameters) {
      const ready = load();
      if (parameters.photo) hold(await get(`/v1/assets/${parameters.photo}`));
      if (parameters.reuse) {
        const asset = await get(`/v1/assets/${parameters.reuse}`);
        (await ready).set(asset.details.steps);
        colours.control.value = asset.details.colour ?? "";
        hold(await get(`/v1/assets/${asset.details.photo}`).catch(() => null));
        notice({ key: "create.filled" });
      }
      await ready;
    },
  };
}
