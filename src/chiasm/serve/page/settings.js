// Light or dark, English or Chinese: kept in this browser.
import { $ } from "./dom.js";
import { language } from "./words.js";

const root = document.documentElement;

function keep(name, value) {
  try {
    localStorage.setItem(`chiasm.${name}`, value);
  } catch {
    // storage may be forbidden: then it holds until the page is left
  }
}

$("theme")?.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  keep("theme", root.dataset.theme);
});

// The page is made anew in the other language: its address holds the question, so nothing is lost.
$("language")?.addEventListener("click", () => {
  keep("language", language() === "zh" ? "en" : "zh");
  location.reload();
});
