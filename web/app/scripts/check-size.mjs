// Fails when the drop page needs more JavaScript than its budget: what its route loads, gzipped.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET_BYTES = 60 * 1024;
const ROUTES = { "drop page": ["index.html"], checkout: ["src/checkout/drop-checkout-page.tsx"], shop: ["src/shop/home-page.tsx"] };

const dist = new URL("../dist/", import.meta.url);
const manifest = JSON.parse(readFileSync(new URL(".vite/manifest.json", dist), "utf8"));

function closure(name, seen = new Set()) {
  const chunk = manifest[name];
  if (!chunk || seen.has(chunk.file)) return seen;
  seen.add(chunk.file);
  for (const needed of chunk.imports ?? []) closure(needed, seen);
  return seen;
}

const gzipped = (file) => gzipSync(readFileSync(new URL(file, dist))).length;
let over = false;
for (const [route, sources] of Object.entries(ROUTES)) {
  const files = closure("index.html");
  for (const source of sources) {
    if (!manifest[source]) throw new Error(`no chunk for ${source}`);
    closure(source, files);
  }
  const bytes = [...files].reduce((sum, file) => sum + gzipped(file), 0);
  console.log(`${route}: ${(bytes / 1024).toFixed(1)} KB of JavaScript gzipped in ${files.size} files`);
  over ||= bytes > BUDGET_BYTES;
}
if (over) {
  console.error(`more than the budget of ${BUDGET_BYTES / 1024} KB`);
  process.exit(1);
}
