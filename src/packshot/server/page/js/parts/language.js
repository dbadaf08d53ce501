// The other language, in place; remembered.
import { kept } from "../kept.js";
import { chooseLanguage, language } from "../texts.js";

export function switchLanguage() {
  const other = language() === "zh" ? "en" : "zh";
  kept.set("language", other);
  chooseLanguage(other);
}
