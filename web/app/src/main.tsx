import { render } from "preact";
import { App } from "./app";
import { readFirst } from "./drop/first-read";
import { firstLanguage, speak } from "./i18n";
import { startRouter } from "./router";
import { guardTaps } from "./ui/tap-guard";

// Before the router, so that an ignored tap does not navigate.
guardTaps();
startRouter();
readFirst(window.location.pathname);
const root = document.getElementById("app");
// The texts are loaded before the first paint, so that no text is shown in two languages.
void speak(firstLanguage()).then(() => {
  if (root) render(<App />, root);
});
