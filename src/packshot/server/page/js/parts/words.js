// Names of what prompts can say, in both languages, from the API; asked for once.
import { get } from "../api.js";

let asked = null;
export const vocabulary = () => (asked ??= get("/v1/vocabulary").catch((error) => { asked = null; throw error; }));

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
