// One picture that a request names: dropped, chosen, or one of the gallery's; held as an asset.
import { get, previewOf, saying, upload } from "../api.js";
import { button, h } from "../dom.js";
import { dropZone } from "./drop.js";

export const PICTURES = "image/png,image/jpeg,image/webp,image/avif,image/gif,image/bmp,image/tiff";

/** A field for one picture. `changed` gets the asset or null. Returns {root, asset(), set(id or asset), clear, fault}. */
export function photoField({ text, hint, named, changed = () => {} }) {
  let asset = null;
  const place = h("div");
  const zone = dropZone({ text, hint, named, accept: PICTURES, took: async ([file]) => {
    zone.fault(null);
    try { hold(await upload(file)); } catch (error) { zone.fault(saying(error)); }
  } });
  const root = h("div", {}, zone.root, place);

  function hold(found) {
    asset = found;
    zone.zone.hidden = asset !== null;
    place.replaceChildren();
    if (asset) {
      const remove = button("close", "shell.remove", () => { hold(null); zone.input.focus(); }, { only: true, class: "quiet" });
      const picture = h("img", { src: previewOf(asset, 256), alt: "", width: 56, height: 56 });
      place.append(h("div", { class: "holding" }, picture, h("span", { class: "name" }, asset.name), remove));
    }
    zone.fault(null);
    changed(asset);
  }
  const set = async (found) => hold(typeof found === "string" ? await get(`/v1/assets/${found}`) : found);
  return { root, asset: () => asset, set, clear: () => hold(null), fault: zone.fault };
}
