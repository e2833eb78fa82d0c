// Builds the wasm module and its glue into pkg/.
import binaryen from "binaryen";
import { transformSync } from "esbuild";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const root = join(here, "../..");
const target = "wasm32-unknown-unknown";
const pkg = join(here, "pkg");
const wasm = join(pkg, "runnel_bg.wasm");
const glue = join(pkg, "runnel.js");

// Words that nobody reads: what a panic says before it traps (all that `Debug` formats is for that),
// and what serde would say if postcard did not drop it. The compiler keeps them, and whatever formats
// them, because panics and virtual tables mention them. A panic that says nothing traps all the same.
const UNREAD = [
  /^core::panicking::/,
  /^core::(option|result|slice|str|cell)::.*(fail|failed|panic)/,
  /^std::panicking::/,
  /^alloc::(raw_vec::(handle_error|capacity_overflow)|alloc::handle_alloc_error)/,
  /^<.* as serde_core::de::Expected>::fmt/,
  /^<serde_core::de::\S+ as core::fmt::Display>::fmt/,
  /^<f(32|64) as core::fmt::/,
  /^<.* as core::fmt::Debug>::fmt/,
  /^<char>::escape_debug/,
];

function run(program, args) {
  execFileSync(program, args, { cwd: root, stdio: "inherit" });
}

function compile() {
  const profile = ["--profile", "wasm", "--target", target];
  // Cargo leaves link-time optimisation out where a crate is built as a Rust library as well, which
  // the tests want: it is 14 KB of the module.
  const alone = ["--lib", "--crate-type=cdylib"];
  run("cargo", ["rustc", "-p", "runnel-peer-wasm", ...alone, ...profile]);
  // The tool of the version that Cargo.lock names lies in the project; see `cargo xtask`.
  const local = join(root, ".tools/bin/wasm-bindgen");
  run(existsSync(local) ? local : "wasm-bindgen", [
    "--target=web",
    "--omit-default-module-path",
    "--out-name=runnel",
    `--out-dir=${pkg}`,
    join(root, "target", target, "wasm/runnel_peer_wasm.wasm"),
  ]);
}

function functions(module) {
  return Array.from({ length: module.getNumFunctions() }, (_, index) =>
    binaryen.getFunctionInfo(module.getFunctionByIndex(index)),
  );
}

function exportedFunctions(module) {
  const all = Array.from({ length: module.getNumExports() }, (_, index) =>
    binaryen.getExportInfo(module.getExportByIndex(index)),
  );
  return all.filter(({ kind }) => kind === binaryen.ExternalFunction);
}

/** Rust's name of a function, without the crates' hashes. */
function plainName(name) {
  return name.replaceAll(/\[[0-9a-f]+\]/g, "");
}

/** Gives short names to what module and glue call each other; returns the glue with them. */
function shorten(module, text) {
  const short = new Map();
  const name = (long) => short.get(long) ?? short.set(long, `$${short.size.toString(36)}`).get(long);
  for (const { name: own, module: from, base, params, results } of functions(module)) {
    if (!base) continue;
    module.removeFunction(own);
    module.addFunctionImport(own, from, name(base), params, results);
  }
  for (const { name: long, value } of exportedFunctions(module)) {
    module.removeExport(long);
    module.addFunctionExport(value, name(long));
  }
  return text.replaceAll(/\b\w+\b/g, (word) => short.get(word) ?? word);
}

function shrink(module) {
  for (const { name, base, params, results, vars } of functions(module)) {
    if (base || !UNREAD.some((pattern) => pattern.test(plainName(name)))) continue;
    module.removeFunction(name);
    module.addFunction(name, params, results, vars, module.unreachable());
  }
  binaryen.setOptimizeLevel(2);
  binaryen.setShrinkLevel(2);
  binaryen.setGenerateStackIR(true);
  binaryen.setOptimizeStackIR(true);
  // Larger functions have more locals, whose numbers are longer.
  binaryen.setOneCallerInlineMaxSize(20);
  // The lowest KB is the stack's end, which nothing but an overflow reaches.
  binaryen.setLowMemoryUnused(true);
  // A second round finds what the first one freed.
  for (let round = 0; round < 2; round += 1) module.optimize();
  // What the tools tell each other.
  module.runPasses(["strip-producers", "strip-target-features"]);
}

compile();
const module = binaryen.readBinary(readFileSync(wasm));
shrink(module);
const text = shorten(module, readFileSync(glue, "utf8"));
writeFileSync(wasm, module.emitBinary());
writeFileSync(glue, transformSync(text, { minify: true }).code);
