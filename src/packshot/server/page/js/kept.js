// What the browser remembers of one person's choices. Without storage everything works, and nothing is remembered.
export const kept = {
  get(name) { try { return localStorage.getItem(`packshot.${name}`); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(`packshot.${name}`, value); } catch { /* private window */ } },
};
