// The contact sheet: filters, pages, a viewer, marks for rejecting. Whatever comes from a table is set as text, never as markup.
"use strict";
(() => {
  const PER_PAGE = 24; // products
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);

  const SAY = {
    en: {
      title: "Contact sheet", other: "中文", search: "Search SKU or words", channel: "Channel", role: "Picture", verdict: "State",
      path: "Origin", any_channel: "All channels", any_role: "All pictures", any_verdict: "Any state", any_path: "Any origin",
      pass: "passes", unsure: "look at it", missing: "missing", marked: "marked for rejecting", identity: "photo",
      generative: "AI drawn", nothing: "Nothing fits these filters.", previous: "Previous", next: "Next", page: "Page",
      pages: "Pages", clear: "Clear marks", save: "Save rejected.txt", reject: "Reject", rejected: "Rejected: take back",
      reason: "Reason (optional)", before: "← Previous", after: "Next →", close: "Close", viewer: "Picture", help: "Keys",
      keys: "Keys", main: "main", colourway: "colourway", detail: "detail", size: "size", scene: "scene",
      verdicts: "Checks", labels: "Labels", origin: "Origin", certificate: "Certificate", file: "File", take: "Made anew",
      none: "none", show: "show", gone: "file not found", of: (n) => `of ${n}`, passed: (n) => `${n} passed`,
      accepted: "accepted", times: (n) => `${n} ×`, rows: "Rows without a SKU", edited: "edited photo",
      composite: "edited photo with generated or drawn parts", generated: "wholly generated", as_is: "photo as it is",
      visible: "visible label", aigc: "AIGC metadata (GB 45438)", iptc: "IPTC source type", c2pa: "content credentials",
      mark: "imperceptible mark", "kind-refused": "refused", "kind-worker": "worker died", "kind-bug": "a bug",
      "kind-rejected": "rejected", "kind-row": "row not read", "kind-photo": "photo not read", "kind-set": "not made",
      totals: (p, n, m) => `${p.toLocaleString("en")} products · ${n.toLocaleString("en")} pictures · ${m.toLocaleString("en")} missing`,
      count: (n) => `${n.toLocaleString("en")} marked for rejecting`, lacking: (n) => `${n} missing`,
      kept: "Marks stay in this browser until you clear them. Save them as rejected.txt and run the same command with "
        + "--rejected rejected.txt to take these pictures out, or with --remake rejected.txt to make them anew.",
      key_arrows: "go from picture to picture", key_x: "reject, or take back", key_enter: "look closely", key_slash: "search",
      key_np: "next, previous page", key_esc: "close",
    },
    zh: {
      title: "图片总览", other: "English", search: "搜索 SKU 或文字", channel: "渠道", role: "图片类型", verdict: "状态", path: "来源",
      any_channel: "全部渠道", any_role: "全部图片", any_verdict: "全部状态", any_path: "全部来源", pass: "合格", unsure: "需人工查看",
      missing: "缺失", marked: "已标记剔除", identity: "实拍", generative: "AI 绘制", nothing: "没有符合条件的图片。", previous: "上一页",
      next: "下一页", page: "第", pages: "分页", clear: "清除标记", save: "保存 rejected.txt", reject: "剔除", rejected: "已剔除：撤销",
      reason: "原因（可不填）", before: "← 上一张", after: "下一张 →", close: "关闭", viewer: "图片", help: "快捷键", keys: "快捷键",
      main: "主图", colourway: "其他颜色", detail: "细节", size: "尺寸", scene: "场景", verdicts: "检查", labels: "标识", origin: "来源",
      certificate: "证书", file: "文件", take: "重做次数", none: "无", show: "查看", gone: "找不到文件", of: (n) => `页，共 ${n} 页`,
      passed: (n) => `${n} 项合格`, accepted: "要求", times: (n) => `${n} 次`, rows: "没有 SKU 的行", edited: "编辑过的照片",
      composite: "含生成或绘制部分的照片", generated: "完全生成", as_is: "原照片", visible: "可见标识", aigc: "AIGC 元数据（GB 45438）",
      iptc: "IPTC 来源类型", c2pa: "内容凭证", mark: "隐形水印", "kind-refused": "已拒绝", "kind-worker": "进程中断", "kind-bug": "程序错误",
      "kind-rejected": "已剔除", "kind-row": "行未读取", "kind-photo": "照片未读取", "kind-set": "未制作",
      totals: (p, n, m) => `${p.toLocaleString("zh")} 个商品 · ${n.toLocaleString("zh")} 张图片 · 缺 ${m.toLocaleString("zh")} 张`,
      count: (n) => `已标记 ${n.toLocaleString("zh")} 张待剔除`, lacking: (n) => `缺 ${n} 张`,
      kept: "标记保存在本浏览器中，直到您清除。请保存为 rejected.txt，再以同一命令加 --rejected rejected.txt 剔除这些图片，或加 --remake rejected.txt 重新制作。",
      key_arrows: "在图片间移动", key_x: "剔除或撤销", key_enter: "放大查看", key_slash: "搜索", key_np: "下一页、上一页", key_esc: "关闭",
    },
  };
  const STATES = ["pass", "unsure", "missing", "marked"];
  const PATHS = ["identity", "generative"];

  // ---- What is there -------------------------------------------------------------------------------------------------

  const [KEY, NAME, CHANNEL, ROLE, NUMBER, PATH, VERDICTS, LABELS, CERTIFICATE, COLOUR, TAKE] = Array(11).keys();
  const [KIND, , , , REASON] = Array(6).keys(); // of what is missing; channel, role and number stand likewise at 1, 2, 3
  const keys = new Set();
  for (const product of data.products) {
    product.text = `${product.sku} ${product.title} ${product.pictures.map((p) => p[COLOUR]).join(" ")}`.toLowerCase();
    for (const picture of product.pictures) keys.add(picture[KEY]);
  }
  const doubtful = (picture) => data.verdicts[picture[VERDICTS]][1].length > 0;

  // ---- What stays in the browser -------------------------------------------------------------------------------------

  const STORE = `packshot.rejected:${location.pathname}`;
  const kept = {
    get(name) { try { return localStorage.getItem(name); } catch { return null; } }, // a browser may keep nothing
    set(name, value) { try { localStorage.setItem(name, value); } catch { /* then marks last as long as the page */ } },
  };
  const marks = new Map();
  try {
    for (const [key, reason] of Object.entries(JSON.parse(kept.get(STORE)) ?? {})) {
      if (keys.has(key)) marks.set(key, String(reason)); // what a run has taken out since is no longer marked
    }
  } catch { /* not ours */ }
  const keep = () => kept.set(STORE, JSON.stringify(Object.fromEntries(marks)));

  let language = kept.get("packshot.language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
  if (!(language in SAY)) language = "en";
  const say = (key) => SAY[language][key] ?? key;
  const told = (text) => (language === "zh" && Object.hasOwn(data.zh, text) ? data.zh[text] : text);

  // ---- Elements ------------------------------------------------------------------------------------------------------

  function made(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") element.className = value;
      else if (name in element) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }
  const badge = (text, kind = "") => made("span", { class: `badge ${kind}` }, text);
  const address = (name) => "./" + name.split("/").map(encodeURIComponent).join("/");
  const channelTitle = (place) => (place < 0 ? "" : data.channels[place][language === "zh" ? 2 : 1]);
  const channelName = (place) => (place < 0 ? "" : data.channels[place][0]);
  const roleName = (entry) => (entry[ROLE] < 0 ? "" : say(data.roles[entry[ROLE]]));

  // ---- Filters -------------------------------------------------------------------------------------------------------

  const filter = { q: "", channel: "", role: "", verdict: "", path: "" };
  let shown = []; // {product, pictures, lacks}, one for each product that something of fits
  let flow = []; // {picture, product, page}, all pictures that fit, in order
  let page = 0;

  function fitting() {
    const words = filter.q.toLowerCase().split(/\s+/).filter(Boolean);
    const channel = data.channels.findIndex(([name]) => name === filter.channel);
    const role = data.roles.indexOf(filter.role);
    const path = PATHS.indexOf(filter.path);
    const place = (entry, at) => (channel < 0 || entry[at] === channel) && (role < 0 || entry[at + 1] === role);
    const wanted = (picture) => place(picture, CHANNEL) && (path < 0 || picture[PATH] === path)
      && (filter.verdict !== "pass" || !doubtful(picture)) && (filter.verdict !== "unsure" || doubtful(picture))
      && (filter.verdict !== "marked" || marks.has(picture[KEY]));
    const withLacks = ["", "missing"].includes(filter.verdict) && path < 0;
    shown = [];
    flow = [];
    for (const product of data.products) {
      if (words.some((word) => !product.text.includes(word))) continue;
      const pictures = filter.verdict === "missing" ? [] : product.pictures.filter(wanted);
      const lacks = withLacks ? product.lacks.filter((lack) => place(lack, 1)) : [];
      if (!pictures.length && !lacks.length) continue;
      const onPage = Math.floor(shown.length / PER_PAGE);
      shown.push({ product, pictures, lacks });
      for (const picture of pictures) flow.push({ picture, product, page: onPage });
    }
  }

  const pageCount = () => Math.max(1, Math.ceil(shown.length / PER_PAGE));

  function refilter(toPage = 0) {
    fitting();
    page = Math.min(Math.max(0, toPage), pageCount() - 1);
    draw();
  }

  // ---- The page ------------------------------------------------------------------------------------------------------

  function draw() {
    const part = shown.slice(page * PER_PAGE, (page + 1) * PER_PAGE);
    $("products").replaceChildren(...part.map(section));
    const first = tiles()[0];
    if (first) first.tabIndex = 0;
    const missing = shown.reduce((sum, item) => sum + countOf(item.lacks), 0);
    $("totals").textContent = say("totals")(shown.filter((item) => item.product.sku).length, flow.length, missing);
    $("nothing").hidden = shown.length > 0;
    $("pages").hidden = pageCount() < 2;
    $("page").value = String(page + 1);
    $("page").max = String(pageCount());
    $("of").textContent = say("of")(pageCount());
    $("previous").disabled = page === 0;
    $("next").disabled = page === pageCount() - 1;
    drawTray();
    const state = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
    if (page) state.set("page", String(page + 1));
    history.replaceState(null, "", `#${state}`);
  }

  function section({ product, pictures, lacks }) {
    const grid = pictures.length ? made("ul", { class: "tiles" }, ...pictures.map((picture) => tile(picture, product))) : null;
    const heading = made("h2", {}, product.sku || say("rows"));
    const lacking = lacks.length ? lackList(lacks) : null;
    return made("section", { class: "product", "aria-label": product.sku }, heading, made("p", {}, product.title), grid, lacking);
  }

  function tile(picture, product) {
    const alt = `${product.sku} ${channelName(picture[CHANNEL])} ${data.roles[picture[ROLE]]} ${picture[NUMBER]}`;
    const image = made("img", { loading: "lazy", decoding: "async", alt, width: 300, height: 300, src: address(picture[NAME]) });
    const shot = made("div", { class: "shot" }, image);
    image.addEventListener("error", () => shot.replaceChildren(made("span", { class: "broken" }, say("gone"))));
    const quick = made("button", { type: "button", class: "quick", tabIndex: -1, title: say("reject"), "aria-label": say("reject") }, "✕");
    const text = made("div", { class: "text" }, made("b", {}, `${roleName(picture)} ${picture[NUMBER]}`), quick,
      made("span", {}, channelTitle(picture[CHANNEL])), made("div", { class: "badges" }, ...badges(picture)));
    const item = made("li", { class: "tile", tabIndex: -1, "aria-label": alt }, shot, text);
    item.entry = { picture, product };
    showMark(item);
    item.addEventListener("click", () => { settle(item); look(picture); });
    item.addEventListener("focus", () => settle(item));
    quick.addEventListener("click", (event) => { event.stopPropagation(); settle(item); toggle(picture); });
    return item;
  }

  function badges(picture) {
    const [, telling] = data.verdicts[picture[VERDICTS]];
    const found = [telling.length ? badge(`${say("unsure")}: ${telling.map((one) => told(one[1])).join(", ")}`, "warn") : badge(say("pass"), "good")];
    if (picture[PATH]) found.push(badge(say("generative"), "made"));
    if (picture[TAKE]) found.push(badge(`${say("take")} ${say("times")(picture[TAKE])}`));
    return found;
  }

  function lackList(lacks) { // what is missing for one reason stands in one line
    const reasons = new Map();
    for (const lack of lacks) {
      const name = `${lack[KIND]}\0${lack[REASON]}`;
      if (!reasons.has(name)) reasons.set(name, []);
      reasons.get(name).push(lack);
    }
    const lines = [...reasons.values()].map((same) => {
      const [{ [KIND]: kind, [REASON]: reason }] = same;
      const what = same.filter((lack) => lack[2] >= 0).map((lack) =>
        `${channelTitle(lack[1])}: ${say(data.roles[lack[2]])} ${kind === "set" ? `× ${lack[3]}` : lack[3]}`);
      return made("li", {}, badge(say(`kind-${kind}`), kind === "rejected" ? "" : "bad"),
        made("span", {}, told(reason)), what.length ? made("span", { class: "which" }, what.join(" · ")) : null);
    });
    const open = filter.verdict === "missing";
    return made("details", { class: "lacks", open }, made("summary", {}, say("lacking")(countOf(lacks))), made("ul", {}, ...lines));
  }
  const countOf = (lacks) => lacks.reduce((sum, lack) => sum + (lack[KIND] === "set" ? lack[3] : 1), 0);

  const tiles = () => [...document.querySelectorAll(".tile")];

  function settle(item) {
    for (const other of document.querySelectorAll('.tile[tabindex="0"]')) other.tabIndex = -1;
    item.tabIndex = 0;
  }

  function goToPage(number, last = false) {
    if (number < 0 || number >= pageCount()) return;
    page = number;
    draw();
    const all = tiles();
    const item = last ? all.at(-1) : all[0];
    if (last) item?.focus();
    else { scrollTo(0, 0); item?.focus({ preventScroll: true }); }
  }

  // ---- Marks ---------------------------------------------------------------------------------------------------------

  function showMark(item) {
    const on = marks.has(item.entry.picture[KEY]);
    item.classList.toggle("rejected", on);
    item.querySelector(".quick").setAttribute("aria-pressed", String(on));
  }

  function toggle(picture, reason = "") {
    if (!marks.delete(picture[KEY])) marks.set(picture[KEY], reason);
    afterMark();
  }

  function afterMark() {
    keep();
    tiles().forEach(showMark);
    drawTray();
    if ($("viewer").open) drawMark();
  }

  function drawTray() {
    $("tray").hidden = marks.size === 0;
    $("marked").textContent = say("count")(marks.size);
  }

  function save() {
    const lines = data.products.flatMap((product) => product.pictures).filter((picture) => marks.has(picture[KEY]))
      .map((picture) => `${picture[KEY]} ${marks.get(picture[KEY]).replace(/\s+/g, " ")}`.trim() + "\n");
    const link = made("a", { href: URL.createObjectURL(new Blob(lines, { type: "text/plain" })), download: "rejected.txt" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  // ---- The viewer ----------------------------------------------------------------------------------------------------

  let at = -1; // in flow

  function look(picture) {
    at = flow.findIndex((entry) => entry.picture === picture);
    if (at < 0) return;
    drawViewer();
    if (!$("viewer").open) $("viewer").showModal();
  }

  function step(by) {
    if (at + by < 0 || at + by >= flow.length) return;
    at += by;
    drawViewer();
  }

  function drawViewer() {
    const { picture, product } = flow[at];
    const [kind, source, labels] = data.labels[picture[LABELS]];
    const [passed, telling] = data.verdicts[picture[VERDICTS]];
    $("large").src = address(picture[NAME]);
    $("large").alt = `${product.sku} ${roleName(picture)} ${picture[NUMBER]}`;
    $("which").textContent = `${product.sku} · ${roleName(picture)} ${picture[NUMBER]}`;
    $("words").textContent = [product.title, picture[COLOUR], channelTitle(picture[CHANNEL])].filter(Boolean).join(" · ");
    $("badges").replaceChildren(...badges(picture).map((one) => made("li", {}, one)));
    const checks = [made("p", {}, say("passed")(passed)), ...telling.map(([, rule, measured, accepted, why]) =>
      made("p", {}, `${told(rule)}: ${told(measured)}; ${say("accepted")}: ${told(accepted)}${why ? `; ${told(why)}` : ""}`))];
    const named = picture[CERTIFICATE] === 1 ? `${picture[NAME]}.certificate.json` : picture[CERTIFICATE];
    const link = (name, text) => made("a", { href: address(name), target: "_blank", rel: "noopener" }, text);
    const rows = [
      [say("verdicts"), checks],
      [say("origin"), [`${say(picture[PATH] ? "generative" : "identity")}: ${kind ? say(kind) : say("as_is")}${source ? ` (${source})` : ""}`]],
      [say("labels"), [labels.length ? labels.map(say).join(", ") : say("none")]],
      [say("certificate"), [named ? link(named, say("show")) : say("none")]],
      [say("file"), [link(picture[NAME], picture[NAME])]],
    ];
    $("details").replaceChildren(...rows.flatMap(([term, values]) => [made("dt", {}, term), made("dd", {}, ...values)]));
    $("before").disabled = at === 0;
    $("after").disabled = at === flow.length - 1;
    $("facts").scrollTop = 0;
    drawMark();
  }

  function drawMark() {
    const key = flow[at].picture[KEY];
    $("reject").textContent = say(marks.has(key) ? "rejected" : "reject");
    $("reject").setAttribute("aria-pressed", String(marks.has(key)));
    $("reason").value = marks.get(key) ?? "";
  }

  function closed() {
    const { picture, page: onPage } = flow[at];
    if (onPage !== page) { page = onPage; draw(); }
    const item = tiles().find((each) => each.entry.picture === picture);
    if (item) { settle(item); item.focus(); item.scrollIntoView({ block: "nearest" }); }
    $("large").removeAttribute("src");
  }

  // ---- Keys ----------------------------------------------------------------------------------------------------------

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.matches("input, select, textarea");
    if (typing) {
      if (event.key === "Escape" && event.target.id === "search") event.target.blur();
      return;
    }
    const viewer = $("viewer").open;
    if ($("help").open) return;
    const act = viewer ? VIEWER_KEYS[event.key] : PAGE_KEYS[event.key];
    if (act && act(event) !== false) event.preventDefault();
  }

  const VIEWER_KEYS = {
    ArrowLeft: () => step(-1), ArrowUp: () => step(-1), ArrowRight: () => step(1), ArrowDown: () => step(1),
    x: () => toggle(flow[at].picture), X: () => toggle(flow[at].picture),
  };
  const current = () => (document.activeElement?.classList.contains("tile") ? document.activeElement : null);
  const reject = () => (current() ? toggle(current().entry.picture) : false);
  const open = (event) => (current() === event.target ? look(current().entry.picture) : false);
  const PAGE_KEYS = {
    ArrowLeft: () => sideways(-1), ArrowRight: () => sideways(1), ArrowUp: () => upright(-1), ArrowDown: () => upright(1),
    x: reject, X: reject, Enter: open, " ": open, n: () => goToPage(page + 1), p: () => goToPage(page - 1),
    "/": () => { $("search").focus(); $("search").select(); }, "?": () => $("help").showModal(),
  };

  function sideways(by) {
    const all = tiles();
    const here = all.indexOf(current());
    if (here < 0) { (all.find((item) => item.tabIndex === 0) ?? all[0])?.focus(); return; }
    const item = all[here + by];
    if (item) item.focus();
    else goToPage(page + by, by < 0);
  }

  function upright(by) {
    const here = current();
    if (!here) return sideways(1);
    const from = here.getBoundingClientRect();
    let best = null;
    for (const item of tiles()) {
      const box = item.getBoundingClientRect();
      const away = (box.top - from.top) * by;
      if (away < 8) continue; // of the same row
      const cost = away * 4 + Math.abs(box.left - from.left);
      if (best === null || cost < best.cost) best = { cost, item };
    }
    if (best) best.item.focus();
    else goToPage(page + by, by < 0);
  }

  // ---- Words of the page ---------------------------------------------------------------------------------------------

  function speak() {
    document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
    for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
    for (const [name, attribute] of [["sayTitle", "title"], ["sayPlaceholder", "placeholder"], ["sayLabel", "aria-label"]]) {
      const selector = `[data-${name.replace(/[A-Z]/g, (sign) => `-${sign.toLowerCase()}`)}]`;
      for (const element of document.querySelectorAll(selector)) element.setAttribute(attribute, say(element.dataset[name]));
    }
    choices("channel", data.channels.map(([name, en, zh]) => [name, language === "zh" ? zh : en]));
    const present = new Set(data.products.flatMap((product) => [...product.pictures.map((p) => p[ROLE]), ...product.lacks.map((l) => l[2])]));
    choices("role", data.roles.filter((_, place) => present.has(place)).map((role) => [role, say(role)]));
    choices("verdict", STATES.map((state) => [state, say(state)]));
    choices("path", PATHS.map((path) => [path, say(path)]));
    const rows = [["← → ↑ ↓", "key_arrows"], ["x", "key_x"], ["Enter", "key_enter"], ["/", "key_slash"], ["n p", "key_np"], ["Esc", "key_esc"]];
    $("keys").replaceChildren(...rows.flatMap(([key, text]) => [made("dt", {}, key), made("dd", {}, say(text))]));
    document.title = `${say("title")} · packshot`;
  }

  function choices(id, options) {
    $(id).replaceChildren(made("option", { value: "" }, say(`any_${id}`)), ...options.map(([value, text]) => made("option", { value }, text)));
    $(id).value = filter[id];
  }

  function start() {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const name of Object.keys(filter)) filter[name] = state.get(name) ?? "";
    $("search").value = filter.q;
    speak();
    for (const id of ["channel", "role", "verdict", "path"]) filter[id] = $(id).value; // a filter of another run's fits none
    refilter(Number(state.get("page") ?? 1) - 1 || 0);
    let waiting = 0;
    $("search").addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { filter.q = $("search").value.trim(); refilter(); }, 120);
    });
    for (const id of ["channel", "role", "verdict", "path"]) {
      $(id).addEventListener("change", () => { filter[id] = $(id).value; refilter(); });
    }
    $("previous").addEventListener("click", () => goToPage(page - 1));
    $("next").addEventListener("click", () => goToPage(page + 1));
    $("page").addEventListener("change", () => goToPage(Math.min(Math.max(Number($("page").value) || 1, 1), pageCount()) - 1));
    $("language").addEventListener("click", () => {
      language = language === "zh" ? "en" : "zh";
      kept.set("packshot.language", language);
      speak();
      draw();
    });
    $("save").addEventListener("click", save);
    $("clear").addEventListener("click", () => { marks.clear(); afterMark(); });
    $("reject").addEventListener("click", () => toggle(flow[at].picture, $("reason").value.trim()));
    $("reason").addEventListener("input", () => {
      const key = flow[at].picture[KEY];
      if (!marks.has(key) && !$("reason").value.trim()) return;
      marks.set(key, $("reason").value);
      keep();
      tiles().forEach(showMark);
      drawTray();
      $("reject").textContent = say("rejected");
      $("reject").setAttribute("aria-pressed", "true");
    });
    $("before").addEventListener("click", () => step(-1));
    $("after").addEventListener("click", () => step(1));
    $("close").addEventListener("click", () => $("viewer").close());
    $("viewer").addEventListener("close", closed);
    $("viewer").addEventListener("click", (event) => { if (event.target === $("viewer")) $("viewer").close(); });
    $("help-open").addEventListener("click", () => $("help").showModal());
    $("help-close").addEventListener("click", () => $("help").close());
    document.addEventListener("keydown", onKey);
  }

  start();
})();
