// How much of a page's budget the client takes: bundled and minified as a browser gets it.
//
//   npm run size

import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const PAGES = {
  'a drop page: REST, session, live': `export { createClient, localStore, live, isProblem } from './dist/index.js'`,
  'REST and session alone': `export { createClient, localStore, isProblem } from './dist/index.js'`,
};

for (const [page, contents] of Object.entries(PAGES)) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: new URL('..', import.meta.url).pathname },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  });
  const [{ contents: bundle }] = outputFiles;
  console.log(`${page}: ${bundle.length} bytes, ${gzipSync(bundle, { level: 9 }).length} gzipped`);
}
