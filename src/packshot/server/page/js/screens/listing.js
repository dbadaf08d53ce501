// Listing: a table and photos to pictures for every product and channel, judged, sorted out by hand, and taken home.
import { say } from "../announce.js";
import { cancel, get, post, Problem, saying, sendForm } from "../api.js";
import { button, field, h, icon, showFault } from "../dom.js";
import { kept } from "../kept.js";
import { dropZone } from "../parts/drop.js";
import { PICTURES } from "../parts/photo.js";
import { followSlowly, progressBar, runList } from "../parts/runs.js";
import { resultsFor } from "../parts/listed.js";
import { bind, language } from "../texts.js";

const TABLES = ".csv,.tsv,.txt,.xlsx,.jsonl,.ndjson,.parquet";

export function build(root) {
  let table = null;
  const photos = [];
  const holding = h("div", { class: "held" });
  const heldPhotos = h("div", { class: "held" });
  const tableZone = dropZone({ text: "listing.table_drop", hint: "listing.table_hint", named: "listing.table", accept: TABLES, took: ([file]) => { table = file; tableZone.fault(null); showHeld(); } });
  const photoZone = dropZone({ text: "listing.photos_drop", hint: "listing.photos_hint", named: "listing.photos", accept: `${PICTURES},.zip,application/zip`, multiple: true, took: (files) => { photos.push(...files); photoZone.fault(null); wordsOnly.checked = false; showHeld(); } });
  const wordsOnly = h("input", { type: "checkbox" });
  wordsOnly.addEventListener("change", () => { if (wordsOnly.checked) photos.length = 0; showHeld(); });
  const channels = h("fieldset", { class: "channels", "aria-describedby": "channels-fault" }, h("legend", { t: "listing.channels" }));
  const channelsFault = h("p", { class: "fault", id: "channels-fault", hidden: true });
  const columns = field("listing.columns", h("input", { type: "text", placeholder: "listing.columns_example", autocomplete: "off" }), { hint: "listing.columns_hint" });
  const sheet = field("listing.sheet", h("input", { type: "text", autocomplete: "off" }), { hint: "listing.sheet_hint" });
  const producer = field("listing.producer", h("input", { type: "text", autocomplete: "organization" }), { hint: "listing.producer_hint" });
  const start = h("button", { type: "submit", class: "primary" }, icon("play"), h("span", { t: "listing.start" }));
  const sent = h("progress", { max: 1, value: 0, hidden: true, label: "listing.sending" });
  const fault = h("p", { class: "fault", role: "alert", hidden: true });
  const form = h("form", { class: "card", novalidate: true },
    h("div", { class: "two" },
      h("div", { class: "field" }, h("h2", { t: "listing.table" }), holding, tableZone.root),
      h("div", { class: "field" }, h("h2", { t: "listing.photos" }), heldPhotos, photoZone.root, h("label", { class: "choice" }, wordsOnly, h("span", { t: "listing.words_only" })))),
    channels, channelsFault,
    h("details", { class: "more" }, h("summary", {}, icon("chevron"), h("span", { t: "create.settings" })), h("div", { class: "fields" }, columns.root, sheet.root, producer.root)),
    fault, h("div", { class: "row" }, start, sent));
  const runs = runList({ kind: "listing", title: "listing.runs", nameOf, open });
  const opened = h("div", { class: "opened" });
  root.append(form, runs.root, opened);

  function showHeld() {
    holding.replaceChildren();
    if (table) holding.append(held(table.name, () => { table = null; showHeld(); tableZone.input.focus(); }));
    tableZone.zone.hidden = Boolean(table);
    heldPhotos.replaceChildren();
    if (photos.length) heldPhotos.append(held(["listing.photo_count", { count: photos.length, megabytes: Math.ceil(photos.reduce((sum, { size }) => sum + size, 0) / 1e6) }], () => { photos.length = 0; showHeld(); photoZone.input.focus(); }));
    photoZone.zone.hidden = wordsOnly.checked;
  }

  let known = null;
  const titles = {};
  const load = () => (known ??= get("/v1/channels").then((found) => {
    for (const { name, title, title_zh: chinese } of found.channels) {
      const box = h("input", { type: "checkbox", value: name });
      titles[name] = { en: title, zh: chinese };
      box.addEventListener("change", () => showFault(channelsFault, null, null));
      channels.append(h("label", { class: "choice" }, box, h("span", { t: () => (language() === "zh" ? chinese : title) })));
    }
  }, (error) => { known = null; throw error; }));

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    for (const one of [tableZone, photoZone, columns, sheet, producer]) one.fault(null);
    showFault(fault, null, null);
    const wanted = [...channels.querySelectorAll("input:checked")].map(({ value }) => value);
    if (!table) { tableZone.fault({ key: "listing.no_table" }); tableZone.input.focus(); return; }
    if (!photos.length && !wordsOnly.checked) { photoZone.fault({ key: "listing.no_photos" }); photoZone.input.focus(); return; }
    if (!wanted.length) { showFault(channelsFault, null, { key: "listing.no_channels" }); channels.querySelector("input")?.focus(); return; }
    const body = new FormData();
    body.append("table", table, table.name);
    for (const photo of photos) body.append("photos", photo, photo.name);
    for (const name of wanted) body.append("channels", name);
    if (wordsOnly.checked) body.append("words_only", "true");
    for (const [name, one] of Object.entries({ columns, sheet, producer })) if (one.control.value.trim()) body.append(name, one.control.value.trim());
    await send(body);
  });

  async function send(body) {
    start.disabled = true;
    sent.hidden = false;
    try {
      const job = await sendForm("/v1/listings", body, (share) => { sent.value = share; });
      kept.set(`listing.${job.id}`, table.name);
      runs.put(job);
      runs.choose(job.id);
      say("listing.begun");
    } catch (error) {
      const places = { table: tableZone, photos: photoZone, columns, sheet, producer };
      const place = error instanceof Problem ? places[error.where.split(":")[0]] : null;
      if (place) place.fault(saying(error));
      else showFault(fault, null, saying(error));
    } finally {
      start.disabled = false;
      sent.hidden = true;
      sent.value = 0;
    }
  }

  let leave = () => {};
  function open(job) {
    leave();
    const bar = progressBar({ stages: false });
    const counts = h("p", { class: "counts" });
    const lines = h("ul", { class: "hint lines" });
    const stop = button("stop", "create.stop", async () => { await cancel(job); });
    const again = button("reuse", "listing.retry", async () => { const next = await post(`/v1/listings/${job.id}/resume`); kept.set(`listing.${next.id}`, nameOf(job)); runs.put(next); runs.choose(next.id); });
    const archive = h("a", { class: "button primary", href: `/v1/listings/${job.id}/archive`, download: "" }, icon("download"), h("span", { t: "listing.archive" }));
    const wrong = h("p", { class: "fault", hidden: true });
    const results = resultsFor(job, { counted: (rejected) => showCounts({ rejected }), titles });
    opened.replaceChildren(h("section", { class: "card", "aria-labelledby": "listing-open" },
      h("div", { class: "row spread" }, h("h2", { id: "listing-open", tabindex: "-1" }, nameOf(job)), h("div", { class: "row" }, stop, again, archive)),
      bar.root, wrong, counts, h("details", { class: "more" }, h("summary", {}, icon("chevron"), h("span", { t: "listing.how_read" })), lines)), results.root);
    const numbers = { made: 0, failed: 0, rejected: 0 };
    const showCounts = (change) => { Object.assign(numbers, change); bind(counts, "text", "listing.counts", { ...numbers }); };
    leave = followSlowly(job, async (now) => {
      runs.put(now);
      bar.show(now);
      const ended = !["queued", "running"].includes(now.status);
      stop.hidden = ended;
      showFault(wrong, null, now.status === "failed" ? saying(new Problem(now.error, 0)) : null);
      const found = await get(`/v1/listings/${job.id}`);
      archive.hidden = !found.made;
      again.hidden = !ended || (now.status === "done" && !found.failed);
      showCounts({ made: found.made, failed: found.failed + found.lost, rejected: found.rejected });
      lines.replaceChildren(...found.lines.map((en, at) => h("li", { t: ["problem.said", { detail: { en, zh: found.zh.lines[at] } }] })));
      await results.more(ended);
      if (ended) say("listing.ended", { made: found.made, failed: found.failed });
    });
  }

  return {
    async show() {
      await Promise.all([load(), runs.load().then((jobs) => {
        const going = jobs.find(({ status }) => ["queued", "running"].includes(status));
        if (going && !runs.chosen()) runs.choose(going.id);
      })]);
    },
  };
}

/** A run's name: that of the table, where this browser sent it; else where its pictures go. */
const nameOf = (job) => kept.get(`listing.${job.id}`) ?? job.request.channels.join(", ");

function held(name, remove) {
  const label = typeof name === "string" ? h("span", { class: "name" }, name) : h("span", { class: "name", t: name });
  return h("div", { class: "holding" }, icon("check"), label, button("close", "shell.remove", remove, { only: true, class: "quiet" }));
}
