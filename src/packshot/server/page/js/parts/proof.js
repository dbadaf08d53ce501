// A certificate in words: what is proven of an edited picture, and what is not.
import { follow, get, problemOfJob, saying, startJob } from "../api.js";
import { button, h, icon } from "../dom.js";
import { has, t } from "../texts.js";

const SEEN_HALO = 3; // in CIELAB: from about here a fringe was seen on photos before strong colours

const nameOf = (operation) => () => (has(`op.${operation}`) ? t(`op.${operation}`) : operation.replaceAll("_", " "));
const together = (names) => () => [...new Set(names)].map((name) => nameOf(name)()).join(t("shell.comma"));
const share = (part) => Math.round(1000 * part) / 10;

/** A card that says what the certificate of an edited asset says. */
export function proofOf(asset) {
  const lines = h("ul", { class: "proof-lines" });
  const again = h("p", { class: "row", role: "status" });
  const check = button("shield", "proof.check", verify);
  const card = h("section", { class: "card proof", "aria-labelledby": `proof-${asset.id}` },
    h("h2", { id: `proof-${asset.id}`, t: "proof.title" }), lines,
    h("div", { class: "row" }, check, h("a", { class: "button quiet", href: `/v1/assets/${asset.details.certificate}/content?download=true` }, icon("download"), h("span", { t: "proof.file" }))), again);
  get(`/v1/assets/${asset.details.certificate}/content`).then((certificate) => lines.append(...told(certificate)), (error) => lines.append(line("alert", saying(error))));

  async function verify() {
    check.disabled = true;
    again.replaceChildren(h("span", { class: "hint", t: "proof.checking" }));
    try {
      const job = await follow(await startJob("/v1/verify", { picture: asset.id }));
      if (job.status !== "done") throw problemOfJob(job);
      const { certificate, fine } = job.result;
      const agrees = certificate ? certificate.agrees : fine;
      again.replaceChildren(h("span", { class: `badge ${agrees ? "good" : "bad"}` }, icon(agrees ? "check" : "alert"), h("span", { t: agrees ? "proof.agrees" : "proof.disagrees" })), ...(certificate?.disagreements ?? []).map((en, at) => h("span", { t: ["problem.said", { detail: { en, zh: certificate.zh.disagreements[at] } }] })));
    } catch (error) {
      again.replaceChildren(h("span", { class: "fault", t: saying(error) }));
    } finally {
      check.disabled = false;
    }
  }
  return card;
}

const line = (symbol, key, values, tone = "") => h("li", { class: tone }, icon(symbol), h("span", { t: [key, values] }));

function* told(certificate) {
  const { promise, measured, regions, steps } = certificate;
  const kept = measured?.kept;
  if (promise.promised && promise.compared_with === "the photo") {
    yield line("shield", "proof.identical", { same: kept.pixels - kept.differing, all: kept.pixels, share: share(regions.shares.kept) }, "good");
  } else if (promise.promised) {
    yield line("shield", "proof.resampled", { all: kept.pixels, share: share(regions.shares.kept), levels: promise.tolerance }, "good");
  } else {
    const changing = steps.filter((step) => step.promise === "nothing").map((step) => step.op);
    if (changing.length) yield line("info", "proof.changed", { steps: together(changing) }, "unsure");
    else yield line("info", "proof.resampled_twice", {}, "unsure");
  }
  const meant = steps.filter((step) => step.promise === "elsewhere").map((step) => step.op);
  if (promise.promised && regions.shares.exempt > 0) yield line("info", "proof.exempt", { share: share(regions.shares.exempt), steps: together(meant.length ? meant : ["text"]) });
  if (promise.promised && regions.shares.outline > 0) yield line("info", "proof.outline", { share: share(regions.shares.outline) });
  if (regions.shares.glass > 0) yield line("info", "proof.glass", { share: share(regions.shares.glass) });
  if (measured?.halo) {
    const clean = measured.halo.score < SEEN_HALO;
    yield line(clean ? "check" : "alert", clean ? "proof.halo_none" : "proof.halo", { score: Math.round(measured.halo.score * 10) / 10 }, clean ? "" : "unsure");
  }
  if (steps.some((step) => step.inserted)) yield line("info", "proof.cut_first");
  if (promise.promised) yield line("info", promise.proven_on === "the edited file" ? "proof.on_file" : "proof.before_encoding");
  yield line(certificate.generative ? "alert" : "check", certificate.generative ? "proof.model" : "proof.no_model", { names: certificate.models.map((model) => model.folder).join(", ") });
  if (certificate.origin?.kind) yield line("info", `proof.origin_${certificate.origin.kind}`, {});
}
