// What was understood of a prompt, as chips that can be changed: changing one changes the prompt's words.
import { say } from "../announce.js";
import { post, saying } from "../api.js";
import { h, icon, options, showFault } from "../dom.js";
import { may } from "../session.js";
import { bind, language } from "../texts.js";
import { colourName, nameOf, SLOTS, vocabulary } from "./words.js";

/** Chips for a prompt field, as `pack()` understands it. `reworded` gets the new prompt. Returns {root, show(understood or null), read(prompt)}. */
export function chipsFor({ prompt, reworded, pack }) {
  const chips = h("div", { class: "chips", role: "group", label: "create.understood" });
  const fault = h("p", { class: "fault", role: "status", hidden: true });
  const root = h("div", { class: "field understood" }, chips, fault);
  let asking = null;

  async function read() {
    asking?.abort();
    const text = prompt.value.trim();
    if (!text || !may("generate")) { show(null); return; }
    const mine = (asking = new AbortController());
    try {
      show(await post("/v1/understand", { prompt: text, pack: pack() }, { signal: mine.signal }), await vocabulary(pack()));
    } catch (error) {
      if (error.name === "AbortError") return;
      chips.replaceChildren();
      showFault(fault, null, saying(error));
    }
  }

  async function change(slot, value, place = 0) {
    try {
      const answer = await post("/v1/reword", { prompt: prompt.value, change: { slot, value, place }, language: language(), pack: pack() });
      reworded(answer.prompt);
      show(answer.understood, await vocabulary(pack()));
      say("create.prompt_now", { prompt: answer.prompt });
      focusOn(slot, place);
    } catch (error) {
      await read();
      showFault(fault, null, saying(error));
    }
  }

  function show(understood, words) {
    showFault(fault, null, null);
    chips.replaceChildren();
    if (!understood) { chips.append(h("span", { class: "hint", t: "create.understood_hint" })); return; }
    for (const slot of SLOTS) if (understood[slot]) chips.append(slotChip(words, slot, understood[slot], change));
    understood.colours.forEach((colour, place) => chips.append(colourChip(words, colour, place, change)));
    const more = addChip(words, understood, change);
    if (more) chips.append(more);
    for (const word of [...understood.unknown, ...understood.ignored]) chips.append(h("span", { class: "chip unknown", t: ["create.not_understood", { word }] }));
    for (const word of understood.guessed) chips.append(h("span", { class: "chip unknown", t: ["create.guessed", { word }] }));
  }

  function focusOn(slot, place) {
    const next = chips.querySelector(`[data-slot="${slot}${slot === "colour" ? place : ""}"] select`) ?? chips.querySelector("select");
    next?.focus();
  }

  show(null);
  return { root, read, show };
}

function slotChip(words, slot, key, change) {
  const rows = words.slots[slot].filter((row) => row.drawn !== false || row.key === key);
  if (!rows.some((row) => row.key === key)) rows.unshift({ key, ...nameOf(words, slot, key) });
  const select = h("select", { label: `slot.${slot}` }, options(rows.map((row) => [row.key, () => row[language()]]), key));
  select.addEventListener("change", () => change(slot, select.value));
  const chip = h("span", { class: "chip", data: { slot } }, select);
  if (slot !== "category") chip.append(remover(() => change(slot, null), nameOf(words, slot, key)));
  return chip;
}

function colourChip(words, colour, place, change) {
  const name = colourName(words, colour);
  const known = words.colours.some((row) => row.key === name.key);
  const rows = words.colours.map((row) => [row.key, () => row[language()]]);
  if (!known) rows.unshift(["", () => name[language()]]);
  const select = h("select", { label: "slot.colour" }, options(rows, known ? name.key : ""));
  select.addEventListener("change", () => select.value && change("colour", select.value, place));
  const picker = h("input", { type: "color", value: colour.hex, label: "create.any_colour" });
  picker.addEventListener("change", () => change("colour", picker.value, place));
  return h("span", { class: "chip", data: { slot: `colour${place}` } }, picker, select, remover(() => change("colour", null, place), name));
}

function addChip(words, understood, change) {
  const open = ["colour", ...SLOTS].filter((slot) => (slot === "colour" ? understood.colours.length < 2 : !understood[slot]));
  if (!open.length) return null;
  const select = h("select", { label: "create.add" }, h("option", { value: "", t: "create.add" }));
  for (const slot of open) {
    const rows = slot === "colour" ? words.colours : words.slots[slot].filter((row) => row.drawn !== false);
    const group = h("optgroup", {}, options(rows.map((row) => [`${slot}/${row.key}`, () => row[language()]])));
    bind(group, "label", `slot.${slot}`);
    select.append(group);
  }
  select.addEventListener("change", () => {
    const [slot, key] = select.value.split("/");
    change(slot, key, slot === "colour" ? understood.colours.length : 0);
  });
  return h("span", { class: "chip add" }, icon("plus"), select);
}

const remover = (action, name) => h("button", { type: "button", label: ["create.remove_word", { word: name }], on: { click: action } }, icon("close"));
