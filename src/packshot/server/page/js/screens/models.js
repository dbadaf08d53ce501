// Models: the packs that are there, what was measured of them, and training on one's own catalogue.
import { notice, say } from "../announce.js";
import { ask, cancel, get, post, Problem, saying, sendForm } from "../api.js";
import { arrowed, button, field, h, icon, options, showFault } from "../dom.js";
import { curve } from "../parts/chart.js";
import { confirmed } from "../parts/dialogs.js";
import { dropZone } from "../parts/drop.js";
import { PICTURES } from "../parts/photo.js";
import { followSlowly, progressBar, runList } from "../parts/runs.js";
import { zipped } from "../parts/zip.js";
import { go } from "../route.js";
import { bind, has, language, t, told } from "../texts.js";

const DRAWING = ["flow", "gan", "vae"];

export function build(root) {
  const packs = h("div", { class: "packs", role: "group", tabindex: "-1", label: "models.installed" });
  const training = trainingForm((job) => { runs.put(job); runs.choose(job.id); });
  const opened = h("div", { class: "opened" });
  const runs = runList({ kind: "training", title: "training.runs", nameOf: (job) => job.request.name ?? "", open });
  root.append(packs, training.root, runs.root, opened);

  async function loadPacks() {
    const found = await get("/v1/packs");
    const rank = ({ kind }) => [...DRAWING, "matting"].indexOf(kind) + 1 || 99; // what people choose first, judges last
    packs.replaceChildren(...found.packs.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name)).map((pack) => packCard(pack, gone)));
  }

  async function gone() {
    dispatchEvent(new CustomEvent("packshot:packs"));
    await loadPacks();
    packs.focus(); // the button that had it is gone
  }

  let leave = () => {};
  function open(job) {
    leave();
    const bar = progressBar();
    const facts = h("dl", { class: "facts" });
    const stop = button("stop", "create.stop", async () => { await cancel(job); });
    const resume = button("play", "training.resume", goOn, { hidden: true });
    const minutes = field("training.minutes", h("input", { type: "number", min: 1, step: 1, inputmode: "numeric" }), {});
    const onward = h("div", { class: "row resume", hidden: true }, minutes.root, resume);
    const wrong = h("p", { class: "fault", hidden: true });
    const name = h("select", { label: "training.curve" });
    const drawing = h("div", { class: "curve-place" });
    const sheet = h("div", { class: "sheet" });
    name.addEventListener("change", () => show());
    let points = [];
    const show = () => drawing.replaceChildren(curve(points, name.value));
    opened.replaceChildren(h("section", { class: "card", "aria-labelledby": "training-open" },
      h("div", { class: "row spread" }, h("h2", { id: "training-open", tabindex: "-1" }, job.request.name ?? ""), stop), bar.root, wrong, facts, onward,
      h("div", { class: "row" }, arrowed(name)), drawing, h("h3", { t: "training.sheets" }), sheet));
    async function goOn() {
      try {
        const next = await post(`/v1/trainings/${job.id}/resume`, minutes.control.value ? { minutes: Number(minutes.control.value) } : {});
        runs.put(next);
        runs.choose(next.id);
      } catch (error) { minutes.fault(saying(error)); }
    }
    leave = followSlowly(job, async (now) => {
      runs.put(now);
      bar.show(now);
      const ended = !["queued", "running"].includes(now.status);
      stop.hidden = ended;
      showFault(wrong, null, now.status === "failed" ? saying(new Problem(now.error, 0)) : null);
      const [state, drawn, sheets] = await Promise.all([get(`/v1/trainings/${job.id}`), get(`/v1/trainings/${job.id}/curve`), get(`/v1/trainings/${job.id}/sheets`)]);
      onward.hidden = resume.hidden = !(ended && state.resumable);
      const rows = [["training.recipe", state.recipe], ["training.step", state.step], ["training.spent", ["training.of_minutes", { spent: Math.round(state.spent_minutes * 10) / 10, all: state.minutes }]]];
      if (state.prepared?.read) rows.push(["training.kept", ["training.kept_of", { kept: state.prepared.kept, read: state.prepared.read }]]);
      facts.replaceChildren(...rows.flatMap(([key, value]) => [h("dt", { t: key }), h("dd", Array.isArray(value) ? { t: value } : {}, ...(Array.isArray(value) ? [] : [String(value ?? "–")]))]));
      points = drawn.points;
      if (name.options.length !== drawn.names.length) name.replaceChildren(...options(drawn.names.map((one) => [one, () => (has(`training.${one}`) ? t(`training.${one}`) : one.replaceAll("_", " "))]), name.value || "loss"));
      show();
      showSheets(sheet, sheets.sheets);
      if (ended && now.status === "done") { say("training.ended"); dispatchEvent(new CustomEvent("packshot:packs")); await loadPacks(); }
    }, 2.5);
  }

  return {
    async show() {
      await Promise.all([loadPacks(), training.load(), runs.load().then((jobs) => {
        const going = jobs.find(({ status }) => ["queued", "running"].includes(status));
        if (going && !runs.chosen()) runs.choose(going.id);
      })]);
    },
  };
}

/** The sheet of one step, with a slider over all of them; stays at the newest unless somebody moved it. */
function showSheets(place, sheets) {
  if (!sheets.length) { place.replaceChildren(h("p", { class: "hint", t: "training.no_sheets" })); return; }
  const known = place.querySelector("input");
  const newest = sheets.length - 1;
  if (known) {
    const atEnd = Number(known.value) === Number(known.max);
    known.sheets = sheets;
    known.max = String(newest);
    if (atEnd) known.value = String(newest);
    known.hidden = newest === 0;
    known.dispatchEvent(new Event("input"));
    return;
  }
  const image = h("img", { alt: "" });
  const slider = h("input", { type: "range", min: 0, max: newest, step: 1, value: String(newest), label: "training.sheet_step", hidden: newest === 0 });
  const words = h("p", { class: "hint" });
  slider.sheets = sheets;
  slider.addEventListener("input", () => {
    const { url, step } = slider.sheets[Number(slider.value)];
    if (image.getAttribute("src") !== url) image.src = url;
    for (const [element, target] of [[image, "alt"], [slider, "aria-valuetext"], [words, "text"]]) bind(element, target, "training.at_step", { step });
  });
  place.replaceChildren(image, slider, words);
  slider.dispatchEvent(new Event("input"));
}

/** Delete a pack after asking, and say so. */
async function removePack(pack, gone) {
  if (!(await confirmed("pack.delete", { name: pack.name }, "pack.delete"))) return;
  try {
    await ask("DELETE", `/v1/packs/${encodeURIComponent(pack.name)}`);
    notice({ key: "pack.deleted" });
    await gone();
  } catch (error) { notice(saying(error), { urgent: true }); }
}

function packCard(pack, gone) {
  const quality = Object.entries(pack.quality ?? {}).filter(([, value]) => typeof value === "number").map(([name, value]) => h("tr", {}, h("th", { scope: "row", t: ["recipe.word", { name: { en: name.replaceAll("_", " "), zh: pack.zh.quality[name] } }] }), h("td", { class: "number", t: ["recipe.number", { value }] })));
  const data = typeof pack.training_data === "string" ? pack.training_data : Object.entries(pack.training_data ?? {}).map(([name, value]) => `${name.replaceAll("_", " ")}: ${value}`).join("; ");
  const id = `pack-${pack.name}`;
  const actions = [DRAWING.includes(pack.kind) && button("create", "pack.draw", () => go("create", { pack: pack.name })), pack.removable && button("trash", "pack.delete", () => removePack(pack, gone), { class: "quiet danger" })].filter(Boolean);
  return h("article", { class: "card pack", "aria-labelledby": id },
    h("div", { class: "row spread" }, h("h2", { id }, pack.name), h("span", { class: "badge", t: () => (has(`pack.${pack.kind}`) ? t(`pack.${pack.kind}`) : pack.kind) })),
    h("p", { class: "hint", t: ["problem.said", { detail: told(pack, "summary") }] }),
    quality.length ? h("table", {}, h("caption", { class: "unseen", t: "pack.measured" }), h("tbody", {}, quality)) : null,
    h("details", { class: "more" }, h("summary", {}, icon("chevron"), h("span", { t: "pack.card" })), h("dl", { class: "facts" },
      [["pack.version", pack.version], ["pack.licence", pack.licence], ["pack.data", data], ["SHA-256", pack.sha256]].flatMap(([key, value]) => [h("dt", key.includes(".") ? { t: key } : {}, key.includes(".") ? "" : key), h("dd", { class: key.includes(".") ? "" : "mono" }, String(value ?? "–"))]),
      pack.kinds.length ? [h("dt", { t: "pack.kinds" }), h("dd", { t: () => pack.kinds.map((kind) => kind[language()]).join(language() === "zh" ? "、" : ", ") })] : [])),
    actions.length ? h("div", { class: "row spread" }, actions) : null);
}

function trainingForm(begun) {
  let offered = [];
  const files = [];
  const heldFiles = h("div", {});
  const name = field("training.name", h("input", { type: "text", maxlength: 40, placeholder: "training.name_example", autocomplete: "off" }), { hint: "training.name_hint" });
  const recipe = field("training.recipe", h("select", {}), { hint: () => about() });
  const minutes = field("training.minutes", h("input", { type: "number", min: 1, step: 1, value: "60", inputmode: "numeric" }), { hint: "training.minutes_hint" });
  const source = field("training.source", h("select", {}, options([["", "training.upload"]], "")), { hint: "training.source_hint" });
  const zone = dropZone({ text: "training.drop", hint: "training.drop_hint", named: "training.catalogue", multiple: true, accept: `${PICTURES},.zip,.csv,.tsv,.jsonl`, took: (taken) => { files.push(...taken); zone.fault(null); showHeld(); } });
  const kinds = kindsField();
  const start = h("button", { type: "submit", class: "primary" }, icon("play"), h("span", { t: "training.start" }));
  const sent = h("progress", { max: 1, value: 0, hidden: true, label: "listing.sending" });
  const fault = h("p", { class: "fault", role: "alert", hidden: true });
  const missing = h("p", { class: "hint", hidden: true });
  const fields = h("div", { class: "fields" }, name.root, recipe.root, minutes.root, source.root);
  const form = h("form", { class: "card", novalidate: true }, h("h2", { t: "training.title" }), h("p", { class: "hint", t: "training.lead" }), missing, fields, zone.root, heldFiles, kinds.root, fault, h("div", { class: "row" }, start, sent));
  function about() {
    const found = offered.find((one) => one.name === recipe.control.value);
    return found ? told(found, "summary")[language()] : "";
  }
  recipe.control.addEventListener("change", () => {
    bind(recipe.root.querySelector(".hint"), "text", about);
    minutes.control.value = String(offered.find((one) => one.name === recipe.control.value)?.minutes ?? 60);
  });
  source.control.addEventListener("change", () => { zone.root.hidden = source.control.value !== ""; });

  function showHeld() {
    heldFiles.replaceChildren();
    if (files.length) heldFiles.append(h("div", { class: "holding" }, icon("check"), h("span", { class: "name", t: ["training.file_count", { count: files.length, megabytes: Math.ceil(files.reduce((sum, { size }) => sum + size, 0) / 1e6) }] }), button("close", "shell.remove", () => { files.length = 0; showHeld(); zone.input.focus(); }, { only: true, class: "quiet" })));
  }

  let loading = null;
  const load = () => (loading ??= get("/v1/trainings/options").then((found) => {
    offered = found.recipes;
    recipe.control.replaceChildren(...options(offered.map((one) => [one.name, () => told(one, "title")[language()]]), offered[0]?.name));
    recipe.control.dispatchEvent(new Event("change"));
    source.control.append(...options(found.sources.map((one) => [one, () => one]), ""));
    source.root.hidden = !found.sources.length;
    missing.hidden = found.available;
    if (!found.available) bind(missing, "text", "training.missing", { what: told(found, "missing") });
    start.disabled = !found.available;
  }, (error) => { loading = null; showFault(fault, null, saying(error)); }));

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    for (const one of [name, recipe, minutes, source, kinds]) one.fault(null);
    showFault(fault, null, null);
    const wanted = { name: name.control.value.trim(), recipe: recipe.control.value, minutes: Number(minutes.control.value) };
    if (!wanted.name) { name.fault({ key: "edit.missing" }); name.control.focus(); return; }
    if (!source.control.value && !files.length) { zone.fault({ key: "training.no_files" }); zone.input.focus(); return; }
    start.disabled = true;
    try {
      const job = await send(source.control.value ? { ...wanted, source: source.control.value } : wanted);
      notice({ key: "training.begun" });
      begun(job);
    } catch (error) {
      const place = error instanceof Problem ? { name, recipe, minutes, source, kinds, catalogue: zone }[error.where.split(":")[0]] : null;
      if (place) place.fault(saying(error));
      else showFault(fault, null, saying(error));
    } finally {
      start.disabled = false;
      sent.hidden = true;
    }
  });

  async function send(wanted) {
    const body = new FormData();
    for (const [key, value] of Object.entries(wanted)) body.append(key, String(value));
    if (!wanted.source) {
      const [only] = files;
      const catalogue = files.length === 1 && /\.zip$/i.test(only.name) ? only : await zipped(files);
      body.append("catalogue", catalogue, "catalogue.zip");
    }
    if (kinds.file()) body.append("kinds", kinds.file(), "kinds.toml");
    sent.hidden = false;
    return sendForm("/v1/trainings", body, (share) => { sent.value = share; });
  }
  return { root: form, load };
}

/** Where to give a file of kinds of product that packshot does not know. Returns {root, file(), fault(problem)}. */
function kindsField() {
  let file = null;
  const held = h("div", {});
  const zone = dropZone({ text: "training.kinds_drop", named: "training.kinds", accept: ".toml,.txt", took: ([taken]) => hold(taken) });
  const example = h("a", { href: "kinds-example.toml", download: "kinds.toml", t: "training.kinds_example" });
  const root = h("details", { class: "more" }, h("summary", {}, icon("chevron"), h("span", { t: "training.kinds" })),
    h("p", { class: "hint" }, h("span", { t: "training.kinds_lead" }), " ", example), zone.root, held);
  function hold(taken) {
    file = taken;
    zone.fault(null);
    held.replaceChildren();
    if (file) held.append(h("div", { class: "holding" }, icon("check"), h("span", { class: "name" }, file.name), button("close", "shell.remove", () => { hold(null); zone.input.focus(); }, { only: true, class: "quiet" })));
  }
  function fault(problem) {
    zone.fault(problem);
    if (problem) root.open = true;
  }
  return { root, file: () => file, fault };
}
