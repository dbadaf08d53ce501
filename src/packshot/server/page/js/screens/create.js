// Create: words to pictures. Each picture is a job of its own, so that the first is there before the last is begun.
import { notice, say } from "../announce.js";
import { cancel, follow, get, Problem, problemOfJob, saying, startJob } from "../api.js";
import { button, h, icon, showFault } from "../dom.js";
import { chipsFor } from "../parts/chips.js";
import { settingsFor } from "../parts/settings.js";
import { tileOf } from "../parts/pictures.js";
import { t } from "../texts.js";

const EXAMPLES = [1, 2, 3, 4, 5, 6].map((number) => `create.example_${number}`);
const AT_ONCE = 2;
const randomSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] >>> 1;

export function build(root) {
  const prompt = h("textarea", { id: "prompt", name: "prompt", rows: 1, maxlength: 500, placeholder: "create.placeholder", "aria-describedby": "prompt-fault", enterkeyhint: "go", autocapitalize: "off" });
  const fault = h("p", { class: "fault", id: "prompt-fault", hidden: true });
  const draw = h("button", { type: "submit", class: "primary draw" }, icon("create"), h("span", { t: "create.draw" }));
  const chips = chipsFor({ prompt, reworded: (text) => { prompt.value = text; grow(prompt); faultAt(null); }, pack: () => settings.chosen() });
  const settings = settingsFor({ other: () => chips.read() });
  const form = h("form", { class: "composer card", novalidate: true },
    h("div", { class: "ask-line" }, h("div", { class: "field" }, h("label", { for: "prompt", t: "create.prompt" }), prompt, fault), draw),
    chips.root, settings.root);
  const runs = h("div", { class: "runs" });
  const examples = h("div", { class: "empty examples" }, h("p", { t: "create.try" }),
    h("div", { class: "row" }, EXAMPLES.map((key) => h("button", { type: "button", class: "chip example", t: key, on: { click: () => { write(t(key)); form.requestSubmit(); } } }))));
  root.append(form, runs, examples);

  const faultAt = (problem) => showFault(fault, prompt, problem);

  let typing = 0;
  function write(text) {
    prompt.value = text;
    grow(prompt);
    faultAt(null);
    chips.read();
  }
  prompt.addEventListener("input", () => {
    grow(prompt);
    faultAt(null);
    clearTimeout(typing);
    typing = setTimeout(chips.read, 300);
  });
  prompt.addEventListener("keydown", (event) => {
    // Enter that ends the input of Chinese characters is not for us.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!prompt.value.trim()) {
      faultAt({ key: "create.no_words" });
      prompt.focus();
      return;
    }
    const wish = settings.wish();
    if (wish) run({ prompt: prompt.value.trim(), ...wish });
  });

  /** Draw `count` pictures of a request, from its seed on. */
  async function run({ count, seed, ...request }) {
    examples.hidden = true;
    const first = seed ?? randomSeed();
    const batch = batchOf(request, count, { again: () => run({ ...request, count, seed: null }) });
    runs.prepend(batch.root);
    say("create.drawing", { count });
    let next = 0;
    const worker = async () => {
      while (next < count && !batch.stopped()) {
        const place = next++;
        await one(batch, place, { ...request, count: 1, seed: first + place });
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, worker));
      if (batch.made()) say("create.ready", { count: batch.made() });
    } catch (error) {
      batch.stop();
      if (!batch.made()) batch.root.remove();
      examples.hidden = runs.childElementCount > 0;
      refuse(error);
    } finally {
      batch.ended();
    }
  }

  async function one(batch, place, request) {
    const job = await startJob("/v1/generations", request);
    batch.began(place, job);
    const end = await follow(job, (now) => batch.heard(place, now));
    if (end.status !== "done") {
      batch.failed(place, end);
      return;
    }
    const asset = await get(`/v1/assets/${end.result.assets[0]}`);
    await batch.put(place, asset);
  }

  /** Show what was refused beside the field that is at fault. */
  function refuse(error) {
    if (error instanceof Problem && settings.fault(error.field, saying(error))) return;
    faultAt(saying(error));
    prompt.focus();
  }

  async function fill(id) {
    const asset = await get(`/v1/assets/${id}`);
    const request = asset.details?.recipe?.request;
    if (request) await settings.fill(request);
    if (request) write(request.prompt);
    return { asset, request };
  }

  return {
    async show(parameters) {
      if (parameters.pack) settings.pack(parameters.pack);
      if (parameters.prompt) write(parameters.prompt);
      if (parameters.reuse) {
        await fill(parameters.reuse);
        notice({ key: "create.filled" });
      }
      if (parameters.again) {
        const { request } = await fill(parameters.again);
        settings.seed(null);
        run({ prompt: request.prompt, ...settings.wish() });
      }
      if (parameters.variations) {
        const { asset, request } = await fill(parameters.variations);
        await settings.like(asset);
        settings.seed(null);
        if (request) run({ prompt: request.prompt, ...settings.wish() });
        else prompt.focus();
      }
    },
  };
}

function grow(area) {
  area.style.setProperty("height", "auto");
  area.style.setProperty("height", `${area.scrollHeight + 2}px`);
}

/** A run: its prompt, and a place for each picture that keeps its size from the start. */
function batchOf(request, count, { again }) {
  let stopped = false;
  let made = 0;
  const running = new Map();
  const stop = button("stop", "create.stop", () => { stopped = true; for (const job of running.values()) cancel(job); }, { class: "quiet" });
  const repeat = button("dice", "create.again", again, { class: "quiet", hidden: true });
  const places = Array.from({ length: count }, () => h("div", { class: "tile" }, h("div", { class: "waiting" }, h("span", { t: "create.waiting" })), h("div", { class: "actions blank" })));
  const root = h("section", { class: "run" },
    h("div", { class: "row spread" }, h("h2", {}, request.prompt), h("div", { class: "row" }, stop, repeat)),
    h("div", { class: "tiles", "aria-busy": "true" }, places));
  const state = (place) => places[place].querySelector(".waiting");
  return {
    root,
    stopped: () => stopped,
    stop: () => { stopped = true; },
    made: () => made,
    began: (place, job) => running.set(place, job),
    heard: (place, job) => { if (job.status === "running") state(place)?.replaceChildren(h("span", { t: "create.being_drawn" })); },
    async put(place, asset) {
      running.delete(place);
      made += 1;
      const tile = tileOf(asset, {});
      await tile.querySelector("img").decode().catch(() => {}); // shown when it can be seen, not as it trickles in
      places[place].replaceWith(tile);
      places[place] = tile;
    },
    failed(place, job) {
      running.delete(place);
      const line = state(place);
      line.classList.add("still");
      line.replaceChildren(h("span", { class: "fault", t: job.status === "cancelled" ? "create.stopped" : ["create.failed", { why: saying(problemOfJob(job)) }] }));
    },
    ended() {
      stop.hidden = true;
      repeat.hidden = false;
      root.querySelector(".tiles").removeAttribute("aria-busy");
      for (const place of places) if (place.querySelector(".waiting:not(.still)")) { place.querySelector(".waiting").classList.add("still"); place.querySelector(".waiting").replaceChildren(h("span", { t: "create.stopped" })); }
    },
  };
}
