// The REST API. Errors are problem documents; here they become one exception with one line in the page's language.
import { has, t, told } from "./texts.js";

export class Problem extends Error {
  constructor(document, status, retryAfter = 0) {
    super(document.detail ?? `HTTP ${status}`);
    Object.assign(this, { status, code: document.code ?? "error", where: document.where ?? "", scopes: document.scopes ?? [], document: { detail: this.message, ...document }, retryAfter });
  }

  /** The last part of what is at fault: 'prompt', 'change', 'to' of 'background.to'. */
  get field() { return this.where.split(".").pop(); }

  /** What is at fault as the page calls it: of 'steps: 1: fit.size' the step and its value. */
  get place() {
    const [, operation, parameter] = /(\w+)\.(\w+)$/.exec(this.where) ?? [];
    const named = has(`op.${operation}.${parameter}`);
    return named ? () => `${t(`op.${operation}`)} · ${t(`op.${operation}.${parameter}`)}` : told(this.document, "where");
  }

  /** One line, in the page's language. */
  line() {
    const [got, accepted, detail] = ["got", "accepted", "detail"].map((key) => told(this.document, key));
    if (/docs\/safety\.md/.test(accepted.en)) return t("problem.refused.safety", { got });
    if (this.code === "refused" && has(`problem.refused.${this.field}`)) return t(`problem.refused.${this.field}`, { got, accepted });
    if (this.code === "refused" && accepted.en) return t("problem.refused", { where: this.place, got, accepted });
    const key = has(`problem.${this.code}`) ? `problem.${this.code}` : "problem.said";
    return t(key, { detail, seconds: this.retryAfter, what: doings(this.scopes) });
  }
}

/** What scopes allow, in words. */
export const doings = (scopes) => () => scopes.map((scope) => t(`scope.${scope}`)).join(t("shell.comma"));

export const saying = (error) => () => (error instanceof Problem ? error.line() : t("problem.unreachable"));

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function problemOf(response) {
  let document = {};
  try { document = await response.json(); } catch { /* not from our server, or cut off */ }
  return new Problem(document, response.status, Number(response.headers.get("Retry-After")) || 0);
}

let signedIn = async () => false;
/** Name what is asked where the server wants a key: `ask(began)` resolves to whether there is one since. */
export const whenKeyIsWanted = (ask) => { signedIn = ask; };

/**
 * Ask the API. `body`: an object, sent as JSON, or FormData. Where a key is wanted, asks again once there is one; where
 * the server is busy, asks again for a minute; with `once`, neither.
 */
export async function ask(method, path, { body, headers = {}, signal, once = false } = {}) {
  const json = body !== undefined && !(body instanceof FormData);
  const options = { method, signal, headers: { Accept: "application/json", ...(json && { "Content-Type": "application/json" }), ...headers } };
  if (body !== undefined) options.body = json ? JSON.stringify(body) : body;
  let until = Date.now() + 60000;
  for (;;) {
    const began = Date.now();
    const response = await fetch(path, options);
    if (response.ok) return response.status === 204 ? null : response.json();
    const problem = await problemOf(response);
    if (once) throw problem;
    if (problem.status === 401) {
      if (!(await signedIn(began))) throw problem;
      until = Date.now() + 60000;
    } else {
      if (!["busy", "starting", "too_often"].includes(problem.code) || Date.now() > until) throw problem;
      await pause(Math.min(5, problem.retryAfter || 1));
    }
  }
}

export const get = (path, options) => ask("GET", path, options);
export const post = (path, body, options) => ask("POST", path, { body, ...options });

/** A new job. Sent with a key of its own, so that asking again after a broken connection makes no second one. */
export const startJob = (path, body, options = {}) => post(path, body, { ...options, headers: { "Idempotency-Key": newKey() } });
const newKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`; // the former only over https or loopback

export const ended = (job) => ["done", "failed", "cancelled"].includes(job.status);

/** Follow a job by its events until it has ended; resolves to it as it ended. */
export function follow(job, changed = () => {}, { signal, tries = 5 } = {}) {
  return new Promise((resolve, reject) => {
    changed(job);
    if (ended(job)) { resolve(job); return; }
    const source = new EventSource(`/v1/jobs/${job.id}/events`);
    const stop = () => { source.close(); reject(new DOMException("left", "AbortError")); };
    signal?.addEventListener("abort", stop, { once: true });
    let silent = 0;
    source.addEventListener("job", (event) => {
      silent = 0;
      const now = JSON.parse(event.data);
      changed(now);
      if (ended(now)) { source.close(); signal?.removeEventListener("abort", stop); resolve(now); }
    });
    source.addEventListener("error", () => {
      silent += 1; // the browser tries again by itself, unless it was refused, and does not tell why
      if (source.readyState === EventSource.CLOSED && tries) {
        get(`/v1/jobs/${job.id}`, { signal }).then((now) => follow(now, changed, { signal, tries: tries - 1 })).then(resolve, reject);
      } else if (source.readyState === EventSource.CLOSED || silent > 20) { source.close(); reject(new Problem({ code: "unreachable" }, 0)); }
    });
  });
}

/** A job's error as a problem. */
export const problemOfJob = (job) => new Problem(job.error ?? { code: job.status }, 0);

export const cancel = (job) => post(`/v1/jobs/${job.id}/cancel`);

/** Upload a picture; resolves to its asset. */
export function upload(file) {
  const form = new FormData();
  form.append("file", file, file.name || "picture.png");
  return post("/v1/assets", form);
}

export const previewOf = (asset, side = 512) => `/v1/assets/${asset.id}/preview?side=${side}`;

/** Sign in, and look what the key may, before gigabytes go up for nothing. */
async function beforeSending(scope) {
  const { scopes } = await get("/v1/session");
  if (!scopes.includes("admin") && !scopes.includes(scope)) throw new Problem({ code: "scope", scopes: [scope] }, 403);
}

/** Send a form with files, telling how much of it has gone; resolves to the job. */
export async function sendForm(path, form, sent = () => {}, { signal } = {}) {
  await beforeSending({ "/v1/listings": "listing", "/v1/trainings": "train" }[path]);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how far an upload is
    request.open("POST", path);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Idempotency-Key", newKey());
    request.upload.addEventListener("progress", (event) => event.lengthComputable && sent(event.loaded / event.total));
    request.addEventListener("error", () => reject(new Problem({ code: "unreachable" }, 0)));
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    request.addEventListener("load", () => {
      let document = {};
      try { document = JSON.parse(request.responseText); } catch { /* cut off */ }
      if (request.status >= 200 && request.status < 300) resolve(document);
      else reject(new Problem(document, request.status, Number(request.getResponseHeader("Retry-After")) || 0));
    });
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}
