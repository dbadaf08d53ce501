// Runs before the first paint: language and theme, so that nothing flashes or moves.
{
  const kept = (name) => { try { return localStorage.getItem(`packshot.${name}`); } catch { return null; } };
  const wanted = kept("language") || (navigator.language || "en");
  document.documentElement.lang = wanted.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
  const theme = kept("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}
