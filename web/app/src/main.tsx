import { render } from "preact";
import { App } from "./app";
import { readFirst } from "./drop/first-read";
import { firstLanguage, speak } from "./i18n";
import { startRouter } from "./router";
import { guardTaps } from "./ui/tap-guard";

// Before the router: a tap that does not count leads nowhere.
guardTaps();
startRouter();
readFirst(window.location.pathname);
const root = document.getElementById("app");
// The texts come before the first paint, so that nothing is read twice in two languages.
void speak(firstLanguage()).then(() => {
  if (root) render(<App />, root);
});
