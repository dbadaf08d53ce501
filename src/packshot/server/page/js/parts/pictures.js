// What can be done with a picture, on its tile and in the viewer.
import { notice } from "../announce.js";
import { ask, previewOf, saying } from "../api.js";
import { button, h, icon } from "../dom.js";
import { go } from "../route.js";
import { unbind } from "../texts.js";
import { openDialog, confirmed } from "./dialogs.js";
import { proofOf } from "./proof.js";
import { colourName, nameOf, SLOTS, vocabulary } from "./words.js";

/** What a picture is called: its prompt, or its file's name. */
export const titleOf = (asset) => asset.details?.recipe?.request?.prompt || asset.name;
/** Whether it is to be shown on a checked ground: a cut-out, or drawn without a background. */
export function isClear(asset) {
  if (asset.details?.recipe) return asset.details.recipe.request?.background === "transparent";
  const steps = (asset.details?.steps ?? []).map((step) => (step.op === "background" ? step.to : step.op));
  const last = steps.filter((step) => step === "cutout" || !OPERATIONS_WITHOUT_GROUND.has(step)).pop();
  return asset.kind === "edited" && (last === "cutout" || last === "transparent");
}
const OPERATIONS_WITHOUT_GROUND = new Set(["shadow", "relight", "white_balance", "exposure", "recolour", "straighten", "flip", "turn", "tilt", "erase", "enlarge", "fit", "crop", "sharpen", "denoise", "text", "badge"]);

/** What is seen around a picture that is not square: white around white, neutral around photos. */
const groundOf = (asset) => (isClear(asset) ? " clear" : isDrawn(asset) ? "" : " framed");

/** Width and height as people see them: a phone's photo may be stored lying. Waits for its preview. */
export async function uprightSize(asset, image) {
  await image.decode().catch(() => {});
  const lying = asset.width > asset.height;
  const shown = image.naturalWidth > image.naturalHeight;
  return lying === shown || image.naturalWidth === image.naturalHeight ? [asset.width, asset.height] : [asset.height, asset.width];
}

/** The picture itself. */
export function pictureOf(asset, side = 512) {
  const image = h("img", { src: previewOf(asset, side), alt: titleOf(asset), width: side, height: side, decoding: "async" });
  image.addEventListener("error", () => image.replaceWith(icon("alert")), { once: true });
  return image;
}

export function heart(asset, changed = () => {}) {
  const press = button(null, "picture.favourite", async () => {
    const wanted = press.getAttribute("aria-pressed") !== "true";
    press.setAttribute("aria-pressed", wanted);
    try {
      Object.assign(asset, await ask("PATCH", `/v1/assets/${asset.id}`, { body: { favourite: wanted } }));
      changed(asset);
    } catch (error) {
      press.setAttribute("aria-pressed", !wanted);
      notice(saying(error), { urgent: true });
    }
  }, { only: true, class: "quiet", "aria-pressed": String(asset.favourite) });
  press.append(icon("heart", "fills"));
  return press;
}

export const download = (asset, properties = {}) => h("a", { class: "button quiet icon", href: `${asset.url}?download=true`, download: asset.name, label: "picture.download", hint: "picture.download", ...properties }, icon("download"));

/** Delete after asking; resolves to whether it is gone. */
export async function remove(asset) {
  if (!(await confirmed("picture.delete", { name: titleOf(asset) }, "picture.delete"))) return false;
  await ask("DELETE", `/v1/assets/${asset.id}`);
  notice({ key: "picture.deleted" });
  return true;
}

/** A tile: the picture, and below it what can be done. `gone` is called when it was deleted. */
export function tileOf(asset, { gone, changed, extra } = {}) {
  const tile = h("article", { class: "tile arrived", data: { asset: asset.id }, label: ["picture.of", { title: titleOf(asset) }] });
  const view = () => openViewer(asset, { gone: () => { tile.remove(); gone?.(asset); }, changed: () => { renewed.replaceWith((renewed = heart(asset, changed))); changed?.(asset); } });
  let renewed = heart(asset, changed);
  const open = h("button", { type: "button", class: `picture${groundOf(asset)}`, label: ["picture.open", { title: titleOf(asset) }], on: { click: view } }, pictureOf(asset));
  const wide = { only: true, class: "quiet wide" };
  tile.append(open, h("div", { class: "actions" },
    renewed, download(asset),
    button("edit", "picture.edit", () => go("edit", { photo: asset.id }), wide),
    button("variations", "picture.variations", () => go("create", { variations: asset.id }), wide),
    isDrawn(asset) && button("dice", "picture.again", () => go("create", { again: asset.id }), wide),
    button("more", "picture.more", view, { only: true, class: "quiet narrow" }),
    extra?.(asset)));
  return tile;
}

export const isDrawn = (asset) => Boolean(asset.details?.recipe?.request?.prompt);

/** Show one picture large, with its recipe and everything that can be done with it. */
export async function openViewer(asset, { gone, changed } = {}) {
  const side = h("div", { class: "side" });
  const shown = h("div", { class: `shown${groundOf(asset)}` }, pictureOf(asset, 1024));
  const dialog = openDialog(h("div", { class: "viewer" }, shown, side), { labelledby: "viewer-title" });
  const leave = (name, parameters) => { dialog.close(); go(name, parameters); };
  const like = heart(asset, changed);
  like.classList.remove("icon");
  unbind(like, "aria-label");
  like.append(h("span", { t: "picture.favourite" }));
  const save = download(asset, { class: "button", label: null });
  save.append(h("span", { t: "picture.download" }));
  const drawn = isDrawn(asset);
  side.append(
    h("h2", { id: "viewer-title" }, titleOf(asset)),
    h("div", { class: "stack" },
      save, like,
      button("edit", "picture.edit", () => leave("edit", { photo: asset.id })),
      button("variations", "picture.variations", () => leave("create", { variations: asset.id })),
      drawn && button("dice", "picture.again", () => leave("create", { again: asset.id })),
      (drawn || asset.kind === "edited") && button("reuse", "picture.reuse", () => (drawn ? leave("create", { reuse: asset.id }) : leave("edit", { reuse: asset.id }))),
      button("trash", "picture.delete", async () => { if (await remove(asset)) { dialog.close(); gone?.(); } }, { class: "danger" })),
  );
  side.append(await factsOf(asset));
  if (asset.details?.certificate) side.append(proofOf(asset));
}

/** The recipe of a drawn picture, and what any file is. */
export async function factsOf(asset) {
  const list = h("dl", { class: "facts" });
  const fact = (key, ...content) => list.append(h("dt", { t: key }), h("dd", {}, ...content));
  const recipe = asset.details?.recipe;
  if (recipe?.request) {
    const { request } = recipe;
    const understood = asset.details.prompt;
    if (understood?.category) fact("recipe.understood", await spoken(understood));
    fact("recipe.seed", h("span", { class: "mono" }, request.count > 1 ? `${request.seed} / ${recipe.index + 1}` : String(request.seed)));
    for (const name of ["guidance", "emphasis"]) if (request[name] !== null) fact(`create.${name}`, number(request[name]));
    if (request.variety !== 1) fact("create.variety", number(request.variety));
    if (request.negative) fact("create.negative", request.negative);
    if (request.like) fact("create.change", number(request.change));
    if (recipe.pack) fact("recipe.pack", `${recipe.pack.name} ${recipe.pack.version}`);
  }
  fact("recipe.size", asset.width ? `${asset.width} × ${asset.height}` : "–");
  fact("recipe.bytes", h("span", { t: ["recipe.kilobytes", { count: Math.ceil(asset.bytes / 1000) }] }));
  fact("recipe.made", h("span", { t: ["recipe.at", { when: new Date(asset.created) }] }));
  if (recipe) fact("recipe.label", h("span", { t: "recipe.by_model" }));
  return list;
}

const number = (value) => h("span", { t: ["recipe.number", { value }] });

async function spoken(understood) {
  const words = await vocabulary();
  const names = SLOTS.filter((slot) => understood[slot]).map((slot) => nameOf(words, slot, understood[slot]));
  const colours = understood.colours.map((colour) => colourName(words, colour));
  return h("span", { class: "said" }, [...names, ...colours].flatMap((name, at) => [at ? " · " : "", h("span", { t: ["recipe.word", { name }] })]));
}
