// Who is signed in, where the server asks for keys, and what they may do.
import { ask, get, Problem, whenKeyIsWanted } from "./api.js";
import { keyForm } from "./parts/key_form.js";

let now = null; // as of /v1/session; null until somebody is let in
let since = 0;
let closed = 0; // when the form was last closed without a key
let asked = false;
const listeners = new Set();

/** Call when somebody came in or went. */
export const onSession = (listener) => listeners.add(listener);
export const session = () => now;
/** Whether this server asks for keys, as far as is known. */
export const asksForKeys = () => asked;

/** Whether a scope is held, as far as is known. */
export const may = (scope) => now === null || now.scopes.includes("admin") || now.scopes.includes(scope);

function become(found) {
  now = found;
  asked ||= found === null || found.keys;
  since = Date.now();
  for (const listener of listeners) listener();
}

let asking = null;
/** Show where to enter a key, which becomes a cookie that no script can read; resolves to whether one was accepted. */
export function signIn() {
  if (asking) return asking;
  const ended = Boolean(now?.keys);
  become(null);
  const send = async (key) => become(await ask("POST", "/v1/session", { headers: { Authorization: `Bearer ${key}` }, once: true }));
  asking = keyForm({ ended, send }).then((accepted) => {
    if (!accepted) closed = Date.now();
    return accepted;
  }).finally(() => { asking = null; });
  return asking;
}
// What was asked before somebody came in is only asked again; what was asked before the form was closed opens no other.
whenKeyIsWanted((began) => {
  if (now !== null && since > began) return Promise.resolve(true);
  return now === null && closed > began ? Promise.resolve(false) : signIn();
});

/** Whether somebody is let in; asks for a key where the server does. */
export async function enter() {
  if (now) return true;
  try {
    const found = await get("/v1/session");
    if (!now) become(found);
  } catch (error) {
    if (error instanceof Problem && error.status === 401) return false;
    throw error;
  }
  return true;
}

/** End the session, and show nothing of it any more. */
export async function signOut() {
  try {
    await ask("DELETE", "/v1/session", { once: true });
  } catch (error) {
    if (!(error instanceof Problem && error.status === 401)) throw error;
  }
  location.reload();
}
