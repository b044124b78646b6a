// Bundles a file of these tests with the React that is named: node bundle.mjs 18|19 node|browser FILE OUT
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const [version, platform, file, out] = process.argv.slice(2);
await build({
  absWorkingDir: dirname(fileURLToPath(import.meta.url)),
  entryPoints: [file],
  outfile: out,
  bundle: true,
  platform,
  format: platform === "node" ? "cjs" : "iife",
  define: { "process.env.NODE_ENV": '"production"', "process.env.REACT": `"${version}"` },
  alias: version === "18" ? { react: "react-18", "react-dom": "react-dom-18" } : {},
  logLevel: "warning",
});
