// Bundles the elements into the package, with hashed names and a manifest.
//
//   node build.mjs [DIR]          the bundles; DIR is the package's static folder unless named
//   node build.mjs --tests DIR    the unit tests, for node --test
//
// The same sources give the same bytes: nothing of the clock, the machine or a path goes in.

import { createHash } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const STATIC = join(HERE, "../src/scalix_free/web/static/elements");
const ENTRIES = ["elements", "chat"];

/** By this `scalix-free ui export` knows files of ours. */
const MARK = "/*! Scalix Free: web elements. MIT. */";

const COMMON = { bundle: true, absWorkingDir: HERE, charset: "utf8", logLevel: "warning" };

async function bundles(folder) {
  await mkdir(folder, { recursive: true });
  const manifest = {};
  for (const entry of ENTRIES) {
    // An immediately called function: it runs as a module and as a plain script alike.
    const { outputFiles } = await build({
      ...COMMON,
      entryPoints: [`src/${entry}.ts`],
      format: "iife",
      target: "es2022",
      minify: true,
      legalComments: "inline",
      banner: { js: MARK },
      tsconfig: "tsconfig.json",
      write: false,
    });
    const [{ contents }] = outputFiles;
    const hash = createHash("sha256").update(contents).digest("hex").slice(0, 12);
    manifest[`${entry}.js`] = `${entry}.${hash}.js`;
    await writeFile(join(folder, manifest[`${entry}.js`]), contents);
  }
  await writeFile(join(folder, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  const kept = new Set([...Object.values(manifest), "manifest.json"]);
  for (const name of await readdir(folder)) {
    if (/^(elements|chat)\.[0-9a-f]+\.js$/.test(name) && !kept.has(name)) await rm(join(folder, name));
  }
}

async function tests(folder) {
  const found = (await readdir(join(HERE, "test"))).filter((name) => name.endsWith(".test.ts"));
  await rm(folder, { recursive: true, force: true });
  await build({
    ...COMMON,
    entryPoints: found.map((name) => `test/${name}`),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    platform: "node",
    format: "esm",
    sourcemap: "inline",
  });
}

const [first, second] = process.argv.slice(2);
if (first === "--tests") await tests(resolve(second));
else await bundles(first === undefined ? STATIC : resolve(first));
