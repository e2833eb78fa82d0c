// Bundles page and Worker into dist/, each one file, and says what a viewer downloads.
import { build } from "esbuild";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(here, "dist");
mkdirSync(dist, { recursive: true });

const shared = { bundle: true, format: "esm", target: "es2022", minify: true, legalComments: "none" };
await Promise.all([
  build({ ...shared, entryPoints: [join(here, "src/index.ts")], outfile: join(dist, "index.js") }),
  build({
    ...shared,
    entryPoints: [join(here, "src/worker/main.ts")],
    outfile: join(dist, "worker.js"),
  }),
]);
copyFileSync(join(here, "pkg/runnel_bg.wasm"), join(dist, "runnel.wasm"));

let total = 0;
for (const name of ["index.js", "worker.js", "runnel.wasm"]) {
  const size = gzipSync(readFileSync(join(dist, name)), { level: 9 }).length;
  total += size;
  process.stdout.write(`${String(size).padStart(7)} bytes gzipped  ${name}\n`);
}
process.stdout.write(`${String(total).padStart(7)} bytes in all\n`);
