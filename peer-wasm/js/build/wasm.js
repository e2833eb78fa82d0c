// Builds the wasm module and its glue into pkg/.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const root = join(here, "../..");
const target = "wasm32-unknown-unknown";

function run(program, args) {
  execFileSync(program, args, { cwd: root, stdio: "inherit" });
}

run("cargo", ["build", "-p", "runnel-peer-wasm", "--lib", "--profile", "wasm", "--target", target]);

// The tool of the version that Cargo.lock names lies in the project; see `cargo xtask`.
const local = join(root, ".tools/bin/wasm-bindgen");
const module = join(root, "target", target, "wasm/runnel_peer_wasm.wasm");
const pkg = join(here, "pkg");
run(existsSync(local) ? local : "wasm-bindgen", [
  "--target=web",
  "--omit-default-module-path",
  "--out-name=runnel",
  `--out-dir=${pkg}`,
  module,
]);

const features = ["--enable-simd", "--enable-bulk-memory", "--enable-nontrapping-float-to-int",
  "--enable-sign-ext", "--enable-mutable-globals", "--enable-reference-types",
  "--enable-multivalue"];
const wasm = join(pkg, "runnel_bg.wasm");
run(join(here, "node_modules/.bin/wasm-opt"), ["-Oz", ...features, wasm, "-o", wasm]);
