// The steps of an edit, in order: added from a list, moved, removed, each with its values.
import { say } from "../announce.js";
import { button, h, icon, unique } from "../dom.js";
import { has, t } from "../texts.js";
import { openDialog } from "./dialogs.js";
import { isFirst, valueField } from "./values.js";

const titleOf = (name) => (has(`op.${name}`) ? t(`op.${name}`) : name.replaceAll("_", " "));
const aboutOf = (operation) => (has(`op.${operation.name}.about`) ? t(`op.${operation.name}.about`) : operation.summary);
const GROUPS = {
  place: ["cutout", "background", "shadow", "relight"],
  frame: ["fit", "crop", "straighten", "turn", "flip", "tilt", "view", "enlarge"],
  colour: ["recolour", "white_balance", "exposure", "sharpen", "denoise"],
  clean: ["erase"],
  words: ["text", "badge", "dimensions"],
};

/** The list. `photo()` gives the asset that masks are painted on. Returns {root, steps(), set(steps), fault(where, problem)}. */
export function stepsFor(operations, { photo, changed }) {
  const cards = [];
  const list = h("ol", { class: "steps", label: "edit.steps" });
  const nothing = h("p", { class: "hint", t: "edit.no_steps" });
  const add = button("plus", "edit.add_step", choose, { class: "add-step" });
  const root = h("div", { class: "steps-field" }, nothing, list, add);

  function choose() {
    const known = Object.values(GROUPS).flat();
    const others = operations.map(({ name }) => name).filter((name) => !known.includes(name));
    const groups = { ...GROUPS, ...(others.length && { more: others }) };
    const rows = Object.entries(groups).map(([group, names]) => h("div", { class: "op-group" }, h("h3", { t: `group.${group}` }), h("div", { class: "op-grid" },
      names.map((name) => operations.find((one) => one.name === name)).filter(Boolean).map((operation) => h("button", { type: "button", class: "op", on: { click: () => { dialog.close(); const card = insert(operation); card.focus(); } } },
        h("strong", {}, titleOf(operation.name)), h("span", { class: "hint" }, aboutOf(operation)))))));
    const dialog = openDialog(h("div", { class: "op-list" }, h("h2", { id: "op-list-title", t: "edit.add_step" }), rows), { labelledby: "op-list-title" });
  }

  function insert(operation, values = {}) {
    const card = cardOf(operation, values);
    // A mark is painted on the photo as it came, so it goes before what moves or resamples it.
    if (operation.name === "erase" && !("mask" in values)) cards.unshift(card);
    else cards.push(card);
    arrange();
    return card;
  }

  function cardOf(operation, values) {
    const id = unique("step");
    const fields = operation.parameters.map((parameter) => [parameter, valueField(operation.name, parameter, { photo, changed })]);
    for (const [parameter, control] of fields) if (parameter.name in values) control.set(values[parameter.name]);
    const first = fields.filter(([parameter]) => isFirst(operation.name, parameter)).map(([, control]) => control.root);
    const rest = fields.filter(([parameter]) => !isFirst(operation.name, parameter)).map(([, control]) => control.root);
    const more = rest.length ? h("details", { class: "more" }, h("summary", {}, icon("chevron"), h("span", { t: "edit.more_values" })), h("div", { class: "fields" }, rest)) : null;
    if (more && fields.some(([parameter]) => parameter.name in values && !isFirst(operation.name, parameter))) more.open = true;
    const name = () => titleOf(operation.name);
    const up = button("up", "edit.earlier", () => move(card, -1), { only: true, class: "quiet" });
    const down = button("down", "edit.later", () => move(card, 1), { only: true, class: "quiet" });
    const out = button("close", "shell.remove", () => drop(card), { only: true, class: "quiet" });
    const tools = h("div", { class: "row tight" }, up, down, out);
    const promise = h("span", { class: `badge ${operation.promise === "product" ? "good" : ""}`, t: `promise.${operation.promise}` });
    const title = h("h3", { id, tabindex: "-1" }, h("span", { class: "number" }), h("span", { t: name }));
    const item = h("li", { class: "step card", "aria-labelledby": id }, h("div", { class: "row spread top" }, title, tools), h("div", { class: "row about" }, promise), h("p", { class: "hint", t: () => aboutOf(operation) }), first.length ? h("div", { class: "step-fields" }, first) : null, more);
    const card = {
      operation, item, up, down, fields,
      focus: () => (item.querySelector("input, select, textarea, .step-fields button") ?? title).focus(),
      number: (place) => { title.firstChild.textContent = `${place + 1}`; up.disabled = place === 0; down.disabled = place === cards.length - 1; },
    };
    return card;
  }

  function move(card, by) {
    const at = cards.indexOf(card);
    cards.splice(at, 1);
    cards.splice(at + by, 0, card);
    arrange();
    say("edit.moved", { name: titleOf(card.operation.name), place: at + by + 1 });
    const press = by < 0 ? card.up : card.down;
    (press.disabled ? (by < 0 ? card.down : card.up) : press).focus();
  }

  function drop(card) {
    cards.splice(cards.indexOf(card), 1);
    arrange();
    add.focus();
  }

  function arrange() {
    // Moves only what is elsewhere, so that a field that is being used keeps its focus.
    cards.forEach((card, place) => { if (list.children[place] !== card.item) list.insertBefore(card.item, list.children[place] ?? null); });
    while (list.children.length > cards.length) list.lastChild.remove();
    cards.forEach((card, place) => card.number(place));
    nothing.hidden = cards.length > 0;
    changed();
  }

  return {
    root,
    /** As the API takes them, or null where a value is missing; the field then says so. */
    steps() {
      let whole = true;
      const rows = cards.map(({ operation, fields }) => {
        const row = { op: operation.name };
        for (const [parameter, control] of fields) {
          control.fault(null);
          const value = control.value();
          if (value !== undefined) row[parameter.name] = value;
          else if (parameter.required) {
            control.fault({ key: "edit.missing" });
            if (whole) control.control?.focus();
            whole = false;
          }
        }
        return row;
      });
      return whole ? rows : null;
    },
    set(steps) {
      cards.length = 0;
      for (const { op, ...values } of steps) {
        const operation = operations.find(({ name }) => name === op);
        if (operation) cards.push(cardOf(operation, values));
      }
      arrange();
    },
    /** Show a problem at the value that `where` names ('steps: 2: fit.size'); whether it names one. */
    fault(where, problem) {
      const found = /(?:steps: (\d+): )?(\w+)\.(\w+)$/.exec(where);
      if (!found) return false;
      const [, place, name, parameter] = found;
      const card = place ? cards[place - 1] : cards.find(({ operation }) => operation.name === name);
      const control = card?.fields.find(([one]) => one.name === parameter)?.[1];
      if (!control) return false;
      control.root.closest("details")?.setAttribute("open", "");
      control.fault(problem);
      control.control?.focus();
      return true;
    },
    count: () => cards.length,
  };
}
