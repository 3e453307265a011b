// Builds the page into target/playground, and its tests into dist: `node build.mjs [--serve]`.
// @ts-check

import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import * as esbuild from "esbuild";

const root = join(import.meta.dirname, "..");
const page = join(root, "target/playground");

/** Files of the repository as a module: `samples`. */
const samples = {
  name: "samples",
  /** @param {esbuild.PluginBuild} build */
  setup(build) {
    build.onResolve({ filter: /^samples$/ }, () => ({ path: "samples", namespace: "samples" }));
    build.onLoad({ filter: /.*/, namespace: "samples" }, async () => {
      const read = (/** @type {string[]} */ ...path) => readFile(join(root, "deploy", ...path), "utf8");
      const entries = await readdir(join(root, "deploy/samples"), { withFileTypes: true });
      // A sample that needs settings of its own is a folder.
      const workloads = entries.map(async (entry) => {
        const { name } = entry;
        return entry.isDirectory()
          ? { name, text: await read("samples", name, "deployment.yaml"), settings: await read("samples", name, "settings.yaml") }
          : { name: name.replace(/\.yaml$/, ""), text: await read("samples", name) };
      });
      const overlays = (await readdir(join(root, "deploy/overlays"))).map(async (name) => {
        return { name, text: await read("overlays", name, "settings.yaml") };
      });
      const inOrder = async (/** @type {Promise<{ name: string }>[]} */ parts) =>
        (await Promise.all(parts)).sort((one, other) => (one.name < other.name ? -1 : 1));
      const contents = `export const samples = ${JSON.stringify(await inOrder(workloads))}; export const settings = ${JSON.stringify(await inOrder(overlays))};`;
      return { contents, loader: "js" };
    });
  },
};

/** @type {esbuild.BuildOptions} */
const ofPage = {
  entryPoints: ["page.ts", "worker.ts", "page.css"].map((name) => join(import.meta.dirname, "src", name)),
  outdir: page,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome123", "firefox120", "safari17.5"],
  plugins: [samples],
  metafile: true,
  logLevel: "warning",
};

/** Writes the licenses of the packages that went into the page, each text once. */
async function writeLicenses(/** @type {esbuild.Metafile | undefined} */ metafile) {
  /** @type {Map<string, string[]>} */
  const packages = new Map();
  const inputs = Object.keys(metafile?.inputs ?? {}).map((path) => /node_modules\/(@[^/]+\/[^/]+|[^/]+)\//.exec(path)?.[1]);
  for (const name of new Set(inputs)) {
    if (name === undefined) continue;
    const text = await readFile(join(import.meta.dirname, "node_modules", name, "LICENSE"), "utf8");
    packages.set(text.trim(), [...(packages.get(text.trim()) ?? []), name]);
  }
  const parts = [...packages].map(([text, names]) => `${names.join(", ")}\n\n${text}\n`);
  await writeFile(join(page, "licenses.txt"), parts.join(`\n${"-".repeat(40)}\n\n`));
}

/** @type {esbuild.BuildOptions} */
const ofTests = {
  entryPoints: [join(import.meta.dirname, "tests/*.ts")],
  outdir: join(import.meta.dirname, "dist/tests"),
  bundle: true,
  packages: "external",
  platform: "node",
  format: "esm",
  logLevel: "warning",
};

await rm(page, { recursive: true, force: true });
await mkdir(page, { recursive: true });
await copyFile(join(import.meta.dirname, "src/index.html"), join(page, "index.html"));
await copyFile(join(root, "policy.wasm"), join(page, "policy.wasm"));
await esbuild.build(ofTests);
const { metafile } = await esbuild.build(ofPage);
await writeLicenses(metafile);
if (process.argv.includes("--serve")) {
  const context = await esbuild.context(ofPage);
  await context.watch();
  const { port } = await context.serve({ servedir: page, host: "127.0.0.1", port: 8000 });
  console.log(`The playground is at http://127.0.0.1:${port}/ until Ctrl-C.`);
}
