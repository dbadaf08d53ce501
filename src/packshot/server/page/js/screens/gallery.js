// Gallery: everything that was drawn, edited or uploaded; found by words, compared, used again, deleted.
import { say } from "../announce.js";
import { get, saying } from "../api.js";
import { arrowed, button, h, icon, options } from "../dom.js";
import { openDialog } from "../parts/dialogs.js";
import { factsOf, pictureOf, tileOf, titleOf } from "../parts/pictures.js";

const KINDS = { all: ["generated", "edited", "upload", "listing"], generated: ["generated"], edited: ["edited"], upload: ["upload"], favourite: ["generated", "edited", "upload", "listing"] };
const PAGE = 48;

export function build(root) {
  const search = h("input", { type: "search", id: "gallery-search", placeholder: "gallery.search_example", autocomplete: "off", enterkeyhint: "search" });
  const order = h("select", { label: "gallery.order" }, options([["newest", "gallery.newest"], ["oldest", "gallery.oldest"]], "newest"));
  const kinds = h("div", { class: "segments", role: "group", label: "gallery.show" }, Object.keys(KINDS).map((kind) =>
    h("button", { type: "button", t: `gallery.${kind}`, "aria-pressed": String(kind === "all"), data: { kind }, on: { click: () => choose(kind) } })));
  const tiles = h("div", { class: "tiles small" });
  const nothing = h("div", { class: "empty", hidden: true }, icon("gallery"), h("p", { t: "gallery.nothing" }));
  const more = button("down", "gallery.more", () => load(), { hidden: true, class: "more-button" });
  const fault = h("p", { class: "fault", role: "status" });
  const bar = h("div", { class: "float", hidden: true });
  const picked = [];
  const deleted = new Set(); // an answer that was under way may still name them
  root.append(
    h("div", { class: "row gallery-tools" }, h("div", { class: "field grow" }, h("label", { class: "unseen", for: search.id, t: "gallery.search" }), h("div", { class: "search" }, icon("search"), search)), arrowed(order), kinds),
    fault, tiles, nothing, more, bar);

  let kind = "all";
  let next = null;
  let asked = 0;
  let typing = 0;
  search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => load({ anew: true }), 250); });
  order.addEventListener("change", () => load({ anew: true }));

  function choose(chosen) {
    kind = chosen;
    for (const one of kinds.children) one.setAttribute("aria-pressed", String(one.dataset.kind === kind));
    load({ anew: true });
  }

  async function load({ anew = false } = {}) {
    const mine = ++asked;
    const query = new URLSearchParams({ limit: PAGE, order: order.value });
    if (search.value.trim()) query.set("q", search.value.trim());
    for (const one of KINDS[kind]) query.append("kind", one);
    if (kind === "favourite") query.set("favourite", "true");
    if (!anew && next) query.set("before", next);
    try {
      const found = await get(`/v1/assets?${query}`);
      if (mine !== asked) return;
      fault.replaceChildren();
      const added = found.assets.filter(({ id }) => !deleted.has(id)).map((asset) => tileOf(asset, { gone: dropped, changed: renewed, extra: compareButton }));
      if (anew) tiles.replaceChildren(...added);
      else tiles.append(...added);
      next = found.next;
      more.hidden = !next;
      nothing.hidden = tiles.childElementCount > 0;
      if (anew && document.activeElement === search) say("gallery.found", { count: found.assets.length });
    } catch (error) {
      if (mine === asked) fault.replaceChildren(icon("alert"), saying(error)());
    }
  }

  const renewed = (asset) => { if (kind === "favourite" && !asset.favourite) tiles.querySelector(`[data-asset="${asset.id}"]`)?.remove(); };
  function dropped(asset) {
    deleted.add(asset.id);
    unpick(asset);
    nothing.hidden = tiles.childElementCount > 0;
  }

  function compareButton(asset) {
    const press = button("compare", "gallery.compare", () => (picked.some(({ id }) => id === asset.id) ? unpick(asset) : pick(asset)), { only: true, class: "quiet", "aria-pressed": String(picked.some(({ id }) => id === asset.id)) });
    press.dataset.compare = asset.id;
    return press;
  }

  function pick(asset) {
    if (picked.length === 2) unpick(picked[0]);
    picked.push(asset);
    showPicked();
  }

  function unpick(asset) {
    const at = picked.findIndex(({ id }) => id === asset.id);
    if (at >= 0) picked.splice(at, 1);
    showPicked();
  }

  function showPicked() {
    for (const press of tiles.querySelectorAll("[data-compare]")) press.setAttribute("aria-pressed", String(picked.some(({ id }) => id === press.dataset.compare)));
    bar.hidden = picked.length === 0;
    const compare = button("compare", "gallery.compare_two", () => compareTwo(picked), { class: "primary", disabled: picked.length < 2 });
    bar.replaceChildren(h("span", { t: picked.length < 2 ? "gallery.pick_second" : "gallery.picked_two" }), compare, button("close", "gallery.pick_none", () => { picked.length = 0; showPicked(); }, { only: true, class: "quiet" }));
  }

  return { show: () => load({ anew: true }) };
}

async function compareTwo([left, right]) {
  const facts = await Promise.all([factsOf(left), factsOf(right)]);
  const sides = [left, right].map((asset, at) => h("div", { class: "half" }, h("div", { class: "shown" }, pictureOf(asset, 1024)), h("h2", {}, titleOf(asset)), facts[at]));
  openDialog(h("div", { class: "pair" }, sides), { label: "gallery.comparison" });
}
