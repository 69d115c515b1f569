import { defineConfig, type Plugin } from "vite";

// The engine that the pages talk to while they are developed or previewed. `fusion serve --dev` prints its address.
const engine = process.env["FUSION_URL"] ?? "http://127.0.0.1:8080";

const proxied = Object.fromEntries(
  ["/v1", "/openapi.json", "/docs", "/problems", "/sandbox"].map((path) => [
    path,
    { target: engine, changeOrigin: true, ws: true },
  ]),
);

/**
 * The fonts are asked for before the style sheet is read, so that text is set in the shop's own type early; but after the
 * program, since on a slow line a buyer who can claim is worth more than one who reads Fraunces.
 */
const fontsFirst: Plugin = {
  name: "fonts-first",
  transformIndexHtml: {
    order: "post",
    handler: (_html, { bundle }) =>
      Object.keys(bundle ?? {})
        .filter((file) => /-latin-wght-normal.*\.woff2$/.test(file))
        .map((file) => ({
          tag: "link",
          attrs: { rel: "preload", href: `/${file}`, as: "font", type: "font/woff2", crossorigin: true, fetchpriority: "low" },
          injectTo: "head" as const,
        })),
  },
};

export default defineConfig({
  plugins: [fontsFirst],
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  // The binary allows no inline script and no inline style: every asset is a file of its own, named by its content.
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    sourcemap: false,
  },
  server: { proxy: proxied },
  preview: {
    proxy: proxied,
    // As strict as the binary, so that what it would refuse is seen here.
    headers: { "Content-Security-Policy": "default-src 'self'; img-src 'self' data: https:; base-uri 'none'; frame-ancestors 'none'" },
  },
});
