// Writes each text of dist/ compressed beside it, as small as it gets: the server sends what is there.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
for (const name of readdirSync(dist, { recursive: true })) {
  if (!/\.(js|css|html|svg)$/.test(name) || name.startsWith(".")) continue;
  const text = readFileSync(join(dist, name));
  if (text.length < 1024) continue;
  writeFileSync(join(dist, `${name}.gz`), gzipSync(text, { level: 9 }));
  writeFileSync(join(dist, `${name}.br`), brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: text.length } }));
}
