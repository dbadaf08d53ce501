// Which screen is shown, by the address after '#'.

/** The screen and parameters of an address. */
export function address() {
  const [name, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { name: name || "create", parameters: Object.fromEntries(new URLSearchParams(query)) };
}

/** Show a screen; parameters are taken once. */
export function go(name, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  const hash = `#/${name}${query ? `?${query}` : ""}`;
  if (location.hash === hash) dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = hash;
}

/** Take the parameters out of the address, once they were followed. */
export const settle = (name) => history.replaceState(null, "", `#/${name}`);
