// Browser storage that may be switched off, full or hold nonsense: reading then gives the fallback, writing does nothing.

const PREFIX = "text2sql.";

export function load(key, fallback) {
  try {
    const text = localStorage.getItem(PREFIX + key);
    return text === null ? fallback : JSON.parse(text);
  } catch {
    return fallback;
  }
}

export function save(key, value) {
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch { /* a page without storage works, it only forgets */ }
}

/** The theme is kept as plain text because theme.js reads it before any module is loaded. */
export function saveTheme(theme) {
  try {
    localStorage.setItem(`${PREFIX}theme`, theme);
  } catch { /* as above */ }
}

/** The token lives as long as the tab, not longer. */
export function loadToken() {
  try {
    return sessionStorage.getItem(`${PREFIX}token`);
  } catch {
    return null;
  }
}

export function saveToken(token) {
  try {
    sessionStorage.setItem(`${PREFIX}token`, token);
  } catch { /* as above */ }
}
