// Bundles the page and puts it where the Python package looks for it.
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "..", "src", "medfuncta", "_src", "tasks", "view", "assets");
const common = {
  bundle: true,
  minify: true,
  write: false,
  target: "es2022",
  legalComments: "none",
  // The runtime is handed to it as bytes; it looks for no file, wherever it believes to be.
  define: { "import.meta.url": '"https://viewer.invalid/"' },
  logLevel: "warning",
};

/** Code of a worker as a text, since a page from disk may start none from a file. */
const workers = {
  name: "workers",
  setup(builder) {
    builder.onResolve({ filter: /^worker:/ }, (found) => ({
      path: join(found.resolveDir, found.path.slice("worker:".length)),
      namespace: "worker",
    }));
    builder.onLoad({ filter: /.*/, namespace: "worker" }, async (found) => {
      const made = await build({
        ...common,
        entryPoints: [found.path],
        format: "iife",
      });
      return { contents: made.outputFiles[0].text, loader: "text" };
    });
  },
};

const page = await build({
  ...common,
  entryPoints: [join(here, "src", "main.ts")],
  format: "iife",
  plugins: [workers],
});
const notebook = await build({ ...common, entryPoints: [join(here, "src", "notebook.ts")], format: "esm" });
const style = await build({ ...common, entryPoints: [join(here, "src", "style.css")] });
const distribution = join(here, "node_modules", "onnxruntime-web", "dist");
const runtime = await readFile(join(distribution, "ort-wasm-simd-threaded.wasm"));

/** Of the packages that name their licence and bring no text of it. */
const MIT = `MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense,
and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so,
subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT
LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT.
IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION
WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

/** The licences of what is in the bundle, which travel with it. */
async function licences() {
  const parts = [];
  for (const name of ["onnxruntime-web", "onnxruntime-common", "hyparquet", "hyparquet-writer"]) {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const text = await readFile(join(folder, "LICENSE"), "utf8").catch(() => MIT);
    parts.push(`${name} ${version} (${license})\n\n${text.trim()}\n`);
  }
  return parts.join(`\n${"-".repeat(72)}\n\n`);
}

await mkdir(out, { recursive: true });
await writeFile(join(out, "LICENSES.txt"), await licences());
await writeFile(join(out, "viewer.js"), page.outputFiles[0].contents);
await writeFile(join(out, "notebook.js"), notebook.outputFiles[0].contents);
await writeFile(join(out, "viewer.css"), style.outputFiles[0].contents);
await writeFile(join(out, "index.html"), await readFile(join(here, "src", "index.html")));
await writeFile(join(out, "runtime.wasm.gz"), gzipSync(runtime, { level: 9 }));
console.log(`viewer.js ${page.outputFiles[0].contents.length} bytes`);
