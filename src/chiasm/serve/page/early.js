// Before anything is drawn: the theme and the language that were chosen here before, else the browser's own.
(() => {
  const kept = (name) => {
    try {
      return localStorage.getItem(`chiasm.${name}`);
    } catch {
      return null; // storage may be forbidden: then nothing is kept
    }
  };
  const root = document.documentElement;
  const theme = kept("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  const language = kept("language") || navigator.language || "en";
  root.lang = language.toLowerCase().startsWith("zh") ? "zh-Hans" : "en";
})();
