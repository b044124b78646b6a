// Runs before the first paint: a theme that was chosen earlier holds before anything is drawn.
(() => {
  "use strict";
  const root = document.documentElement;
  let kept = null;
  try {
    kept = localStorage.getItem("scalix-theme");
  } catch {
    // Storage may be forbidden; then the system decides.
  }
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
})();
