// Names of what prompts can say, in both languages, from the API; asked for once for each pack.
import { get } from "../api.js";

const asked = new Map();
addEventListener("packshot:packs", () => asked.clear());

/** What prompts can say to a pack; to the server's own if left out. */
export function vocabulary(pack = "") {
  if (!asked.has(pack)) {
    asked.set(pack, get(`/v1/vocabulary${pack && `?pack=${encodeURIComponent(pack)}`}`).catch((error) => { asked.delete(pack); throw error; }));
  }
  return asked.get(pack);
}

/** {en, zh} of a slot's value; of an unknown one its key. */
export function nameOf(words, slot, key) {
  const rows = slot === "colour" ? words.colours : words.slots[slot];
  return rows.find((row) => row.key === key) ?? { en: key.replaceAll("_", " "), zh: key.replaceAll("_", " ") };
}

/** {en, zh} of a colour as it was understood: its name, or as typed where that says more ('light blue'). */
export function colourName(words, colour) {
  const known = words.colours.find((row) => row.en === colour.name);
  return known ?? { en: colour.name, zh: colour.word };
}

export const SLOTS = ["category", "usage", "gender", "material", "style"];
