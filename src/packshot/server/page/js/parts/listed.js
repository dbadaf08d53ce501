// The pictures of a listing, by product, with what the rules say of each; some are rejected by hand.
import { get, post, saying } from "../api.js";
import { notice } from "../announce.js";
import { arrowed, button, h, icon, options } from "../dom.js";
import { bind, has, language, t, told } from "../texts.js";
import { openDialog } from "./dialogs.js";

const PAGE = 100;
const TONES = { pass: "good", unsure: "unsure", fail: "bad" };
const worst = (verdicts) => ["fail", "unsure"].find((status) => verdicts.some((verdict) => verdict.status === status)) ?? "pass";

/** `counted` gets the number of rejected pictures. Returns {root, more(ended)}. */
export function resultsFor(job, { counted, titles }) {
  const groups = new Map();
  const filter = h("select", { label: "gallery.show" }, options(["all", "look", "rejected"].map((name) => [name, `listing.show_${name}`]), "all"));
  const products = h("div", { class: "products" });
  const failures = h("details", { class: "more failures", hidden: true }, h("summary", {}, icon("chevron"), h("span", { t: "listing.failures" })));
  const root = h("section", { class: "results", hidden: true }, h("div", { class: "row" }, arrowed(filter)), products, failures);
  let loaded = 0;
  filter.addEventListener("change", () => { for (const group of groups.values()) group.filter(); });

  const channelOf = ({ channel }) => titles[channel]?.[language()] ?? channel;
  const roleOf = ({ role }) => (has(`role.${role}`) ? t(`role.${role}`) : role);
  /** What a picture or a failure is about: a picture of a set, or a row of the table. */
  const placeOf = (one) => [one.sku || t("listing.row", { number: one.row ?? one.line }), one.channel && channelOf(one), one.role && roleOf(one)].filter(Boolean).join(" · ");

  function put(picture) {
    const sku = picture.sku ?? "";
    if (!groups.has(sku)) {
      const tiles = h("div", { class: "tiles listed" });
      const card = h("section", { class: "product" }, h("h3", {}, picture.title ? `${picture.title} · ${sku}` : sku), tiles);
      const entries = [];
      groups.set(sku, { tiles, entries, filter() { for (const { tile, shows } of entries) tile.hidden = !shows(filter.value); card.hidden = entries.every(({ tile }) => tile.hidden); } });
      products.append(card);
    }
    const group = groups.get(sku);
    const entry = entryOf(picture);
    group.entries.push(entry);
    group.tiles.append(entry.tile);
    group.filter();
  }

  function entryOf(picture) {
    const verdicts = picture.verdicts ?? [];
    const status = worst(verdicts);
    const press = button(null, "listing.reject", toggle, { class: "quiet", "aria-pressed": String(picture.rejected) });
    press.prepend(icon("close"));
    const title = () => placeOf(picture);
    const look = h("button", { type: "button", class: "picture", label: ["picture.open", { title }], on: { click: () => openListed(picture, title) } }, shownAs(picture, title, { loading: "lazy", decoding: "async" }));
    const tile = h("article", { class: `tile${picture.rejected ? " rejected" : ""}`, label: ["picture.of", { title }] }, look,
      h("div", { class: "tile-facts" }, h("span", { class: "hint" }, h("span", { t: () => channelOf(picture) }), " · ", h("span", { t: () => roleOf(picture) })), h("span", { class: `badge ${TONES[status]}`, t: `verdict.${status}` })),
      h("div", { class: "actions" }, press));
    async function toggle() {
      const wanted = !picture.rejected;
      try {
        const { rejected } = await post(`/v1/listings/${job.id}/rejections`, { keys: [picture.key], rejected: wanted });
        picture.rejected = wanted;
        press.setAttribute("aria-pressed", String(wanted));
        tile.classList.toggle("rejected", wanted);
        counted(rejected);
      } catch (error) { notice(saying(error), { urgent: true }); }
    }
    return { tile, shows: (name) => name === "all" || (name === "look" ? status !== "pass" : picture.rejected) };
  }

  async function showFailures() {
    const { failures: found } = await get(`/v1/listings/${job.id}/failures?limit=200`);
    failures.hidden = !found.length;
    failures.lastElementChild.tagName === "UL" && failures.lastElementChild.remove();
    failures.append(h("ul", { class: "lines" }, found.map((one) => h("li", {}, h("strong", { t: () => placeOf(one) }), " ", h("span", { t: ["problem.said", { detail: told(one, "reason") }] })))));
  }

  return {
    root,
    async more(ended) {
      for (;;) {
        const { pictures, total } = await get(`/v1/listings/${job.id}/pictures?offset=${loaded}&limit=${PAGE}`);
        for (const picture of pictures) put(picture);
        loaded += pictures.length;
        root.hidden = loaded === 0 && !ended;
        if (!pictures.length || loaded >= total) break;
      }
      if (ended) await showFailures();
    },
  };
}

function shownAs(picture, title, properties = {}) {
  const image = h("img", { src: picture.url, ...properties });
  bind(image, "alt", "recipe.word", { name: title });
  return image;
}

/** What was measured; and where that is not right, what is accepted and why one can't be sure. */
const found = (verdict) => ["measured", ...(verdict.status === "pass" ? [] : ["accepted"]), ...(verdict.why ? ["why"] : [])].map((key) => h("span", { t: [`verdict.${key}`, { said: told(verdict, key) }] }));

function openListed(picture, title) {
  const verdicts = (picture.verdicts ?? []).filter(({ status }) => status !== "not-applicable");
  const rows = verdicts.map((verdict) => h("tr", {}, h("td", {}, h("span", { class: `badge ${TONES[verdict.status] ?? ""}`, t: `verdict.${verdict.status}` })), h("th", { scope: "row", t: ["recipe.word", { name: told(verdict, "rule") }] }), h("td", {}, found(verdict))));
  const links = h("div", { class: "row" }, h("a", { class: "button", href: picture.url, download: picture.path?.split("/").pop() ?? "" }, icon("download"), h("span", { t: "picture.download" })),
    picture.certificate_url && h("a", { class: "button quiet", href: picture.certificate_url, download: "" }, icon("shield"), h("span", { t: "proof.file" })));
  openDialog(h("div", { class: "viewer" }, h("div", { class: "shown" }, shownAs(picture, title)), h("div", { class: "side" }, h("h2", { id: "listed-title", t: ["recipe.word", { name: title }] }), links, h("table", {}, h("tbody", {}, rows)))), { labelledby: "listed-title" });
}
