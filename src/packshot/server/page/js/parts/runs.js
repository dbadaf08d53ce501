// Long work: a list of jobs of one kind, the newest first, of which one is open and followed.
import { follow, get } from "../api.js";
import { bind, told } from "../texts.js";
import { h } from "../dom.js";

const TONES = { done: "good", failed: "bad", cancelled: "unsure", running: "", queued: "" };
export const statusBadge = (job) => h("span", { class: `badge ${TONES[job.status]}`, t: `job.${job.status}` });

/** `open(job)` is called when one is chosen. Returns {root, load(), put(job), choose(id)}. */
export function runList({ kind, title, nameOf, open }) {
  const list = h("ul", { class: "run-list" });
  const root = h("section", { class: "card", hidden: true, "aria-labelledby": `${kind}-runs` }, h("h2", { id: `${kind}-runs`, t: title }), list);
  const rows = new Map();
  let chosen = "";

  function put(job) {
    const known = rows.get(job.id);
    if (known) { known.update(job); return; }
    const badge = h("span", {});
    const press = h("button", { type: "button", class: "run-row", "aria-pressed": "false", on: { click: () => choose(job.id) } }, h("span", { class: "run-name" }, nameOf(job)), h("span", { class: "hint", t: ["recipe.at", { when: new Date(job.created) }] }), badge);
    const row = { job, press, item: h("li", {}, press), update(now) { row.job = now; badge.replaceChildren(statusBadge(now)); } };
    row.update(job);
    rows.set(job.id, row);
    const ids = [...rows.keys()].sort().reverse();
    list.insertBefore(row.item, list.children[ids.indexOf(job.id)] ?? null);
    root.hidden = false;
  }

  function choose(id) {
    chosen = id;
    for (const [other, { press }] of rows) press.setAttribute("aria-pressed", String(other === id));
    open(rows.get(id).job);
  }

  async function load() {
    const { jobs } = await get(`/v1/jobs?kind=${kind}&limit=30`);
    for (const job of jobs) put(job);
    return jobs;
  }
  return { root, load, put, choose, chosen: () => chosen };
}

/** A bar with how far a job is, in words below it. Returns {root, show(job)}. */
export function progressBar({ stages = true } = {}) {
  const bar = h("progress", { max: 1, label: "job.progress" });
  const words = h("p", { class: "hint", role: "status" });
  return {
    root: h("div", { class: "field" }, bar, words),
    show(job) {
      if (job.status === "running" && !job.progress) bar.removeAttribute("value");
      else bar.value = job.progress;
      bar.hidden = !["queued", "running"].includes(job.status);
      bind(words, "text", "job.far", { status: { key: `job.${job.status}` }, share: Math.floor(job.progress * 100), stage: stages && !bar.hidden ? { key: "job.stage", values: { stage: told(job, "stage") } } : "" });
    },
  };
}

/** Follow a job until it ends or another is opened; `changed` at most every `seconds`, and once at the end. */
export function followSlowly(job, changed, seconds = 1.2) {
  const leaving = new AbortController();
  let latest = job;
  let waiting = 0;
  const tell = () => { waiting = 0; changed(latest); };
  follow(job, (now) => {
    latest = now;
    waiting ||= setTimeout(tell, waiting === 0 && now === job ? 0 : seconds * 1000);
  }, { signal: leaving.signal }).then(() => { clearTimeout(waiting); tell(); }, (error) => { clearTimeout(waiting); if (error.name !== "AbortError") throw error; });
  return () => leaving.abort();
}
