// Runs before the first paint, so that a chosen theme does not flash in the other one.
try {
  var chosen = JSON.parse(localStorage.getItem("fusion.theme") || "null");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch (unreadable) {
  // The system's preference stays.
}
