// Sets the theme before the first paint: the one chosen by hand, else the system's.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("text2sql.theme");
  } catch { /* storage can be switched off: the system's theme then holds */ }
  const dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
