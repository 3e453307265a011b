// What the page does, in Debian's Chromium: `npm test`, or `make e2e-playground`.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import axe, { type AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";

import { YamlDocument } from "../src/yaml.ts";
import { launch, open, root, serve, settled, write } from "./browser.ts";

/** The most bytes of the page, with the module in it. */
const MOST_BYTES = 1_500_000;

let browser: Browser;
let server: Awaited<ReturnType<typeof serve>>;

before(async () => {
  [browser, server] = await Promise.all([launch(), serve()]);
});

after(async () => {
  await browser.close();
  server.close();
});

/** Runs a test in a page of its own, in which nothing may fail and nothing may leave. */
function pageTest(name: string, body: (page: Page) => Promise<void>, fragment = ""): void {
  test(name, async () => {
    const page = await open(browser, server.address + fragment);
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("request", (request) => request.url().startsWith(server.address) || complaints.push(request.url()));
    try {
      await body(page);
      assert.deepEqual(complaints, []);
    } finally {
      await page.context().close();
    }
  });
}

/** What `vsi inject` writes for a file. */
function injectedByVsi(file: string, ...options: string[]): unknown[] {
  const vsi = join(root, "target/debug/vsi");
  const output = execFileSync(vsi, ["inject", "-f", file, ...options], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return documentsOf(output);
}

function documentsOf(text: string): unknown[] {
  return YamlDocument.all(text).map(({ value }) => value);
}

/** What the page writes, as its button for the clipboard hands it over. */
async function copied(page: Page): Promise<string> {
  await page.evaluate(() => navigator.clipboard.writeText(""));
  await page.getByRole("button", { name: "Copy manifest" }).click();
  await page.waitForFunction(async () => (await navigator.clipboard.readText()) !== "");
  return page.evaluate(() => navigator.clipboard.readText());
}

/** What `vsi check` finds, each as the page lists it. */
function findingsByVsi(file: string, ...options: string[]): string[] {
  const vsi = spawnSync(join(root, "target/debug/vsi"), ["check", "-f", file, "--output", "sarif", ...options], { encoding: "utf8" });
  const report = JSON.parse(vsi.stdout) as Sarif;
  const names = { error: "Error", warning: "Warning", note: "Note" };
  return (report.runs[0]?.results ?? []).map(({ level, message, locations }) => {
    const line = locations[0]?.physicalLocation.region.startLine;
    return `${names[level]}, line ${line} ${message.text.replace(/^document \d+, \S+?(, |: )/, "")}`;
  });
}

interface Sarif {
  runs: {
    results: {
      level: "error" | "warning" | "note";
      message: { text: string };
      locations: { physicalLocation: { region: { startLine: number } } }[];
    }[];
  }[];
}

/** A finding of the page in the form of `vsi`, which names the annotation before the message. */
function withoutAnnotation(finding: string): string {
  return finding.replace(/^(.*?line \d+) annotation (\S+?):? /, "$1 $2: ").replace(/\s+/g, " ");
}

const summary = (page: Page) => page.locator("#summary");
const findings = (page: Page) => page.getByRole("list", { name: "Findings" }).getByRole("listitem");

pageTest("every sample becomes what vsi makes of it", async (page) => {
  for (const sample of readdirSync(join(root, "deploy/samples"))) {
    await page.getByLabel("Sample").selectOption(sample.replace(".yaml", ""));
    await settled(page);
    const path = join(root, "deploy/samples", sample);
    const expected = sample.endsWith(".yaml")
      ? injectedByVsi(path)
      : injectedByVsi(join(path, "deployment.yaml"), "--settings", join(path, "settings.yaml"));
    assert.deepEqual(documentsOf(await copied(page)), expected, sample);
  }
});

pageTest("workloads of every kind become what vsi makes of them, and keep their comments", async (page) => {
  const file = join(import.meta.dirname, "../../tests/workloads.yaml");
  await write(page, "Manifest", readFileSync(file, "utf8"));
  await settled(page);
  const injected = await copied(page);
  assert.deepEqual(documentsOf(injected), injectedByVsi(file));
  for (const comment of ["# its own", "# Nothing for the policy.", "# A script of its own."]) assert.ok(injected.includes(comment), comment);
});

pageTest("settings are those that vsi would have", async (page) => {
  for (const overlay of readdirSync(join(root, "deploy/overlays"))) {
    await page.getByLabel("For").selectOption(overlay);
    await settled(page);
    const options = ["--settings", join(root, "deploy/overlays", overlay, "settings.yaml")];
    const sample = join(root, "deploy/samples/deployment-dynamic.yaml");
    const found = findingsByVsi(sample, ...options);
    assert.deepEqual((await findings(page).allTextContents()).map(withoutAnnotation), found, overlay);
    if (!found.some((finding) => finding.startsWith("Error"))) {
      assert.deepEqual(documentsOf(await copied(page)), injectedByVsi(sample, ...options), overlay);
    }
  }
});

pageTest("mistakes show at their lines while one types", async (page) => {
  const file = join(import.meta.dirname, "../../tests/mistakes.yaml");
  await write(page, "Manifest", readFileSync(file, "utf8"));
  await settled(page);
  const shown = await findings(page).allTextContents();
  assert.deepEqual(shown.map(withoutAnnotation), findingsByVsi(file));
  // The editor marks them too, as far as they are in sight.
  assert.ok((await page.locator("#manifest .cm-lint-marker").count()) > 0);

  await findings(page).getByRole("button", { name: "Error, line 15" }).click();
  await page.keyboard.press("End");
  await page.keyboard.type("-");
  await settled(page);
  await findings(page).getByText('"sekrets-" is not valid').waitFor();
});

pageTest("YAML that cannot be read is an error at its line", async (page) => {
  await write(page, "Manifest", "kind: Pod\nmetadata:\n  name: [a\n");
  await settled(page);
  const [first] = await findings(page).allTextContents();
  assert.match(first ?? "", /^Error, line [34] /);
});

pageTest("what cannot be evaluated leaves nothing of what was there before", async (page) => {
  const inside = "a: &a\n  b: *a\n";
  const large = `# ${"x".repeat(300_000)}\n`;
  const keys = Array.from({ length: 20_000 }, (_, number) => `${number}: 1`).join("\n");
  for (const text of [inside, "x: {{ .Values.x }}\n", "a: .inf\n", "a: 9007199254740993\n", "1: a\n'1': b\n", "a: !!binary x\n", "a: 1\n".repeat(20_000), large]) {
    await write(page, "Manifest", text);
    await settled(page);
    assert.notEqual(await summary(page).textContent(), "1 of 1 pods and workloads injected.", text.slice(0, 30));
    assert.ok((await findings(page).count()) <= 101);
    assert.equal(await page.getByRole("rowheader").count(), 0);
  }
  await write(page, "Manifest", "");
  await write(page, "Settings", inside);
  await settled(page);
  await findings(page).getByText("inside of what it stands for").waitFor();
  // The page can be used while a manifest takes long, and forgets it.
  await write(page, "Manifest", keys);
  await page.getByLabel("For").selectOption("openbao");
  await page.getByLabel("Sample").selectOption("job-native");
  await summary(page).getByText("1 of 1 pods and workloads injected.").waitFor();
});

pageTest("a command that only the image has is assumed, and said to be", async (page) => {
  await write(page, "Manifest", readFileSync(join(root, "docs/examples/image-without-command.yaml"), "utf8"));
  await settled(page);
  await findings(page).getByText(/^Note, line \d+ image .*: not looked up; <ENTRYPOINT of/).waitFor();
});

pageTest("of two links the last one counts, and a bad one changes nothing", async (page) => {
  await page.evaluate(() => {
    window.location.hash = "#sample=job-native";
    window.location.hash = "#sample=deployment-static";
  });
  const manifest = page.getByRole("textbox", { name: "Manifest", exact: true });
  await manifest.getByText("name: web").first().waitFor();
  await page.evaluate(() => {
    window.location.hash = "#not-a-link";
  });
  await page.getByText("This link cannot be read").waitFor();
  await manifest.getByText("name: web").first().waitFor();
  await page.evaluate(() => {
    window.location.hash = "#sample=job-native";
  });
  await page.getByText("This link cannot be read").waitFor({ state: "detached" });
});

pageTest("samples have their own settings, and the defaults after those of another", async (page) => {
  await page.getByLabel("Sample").selectOption("other-vault");
  await settled(page);
  await summary(page).getByText("1 of 1").waitFor();
  await page.getByLabel("Sample").selectOption("deployment-dynamic");
  await page.getByRole("textbox", { name: "Settings" }).getByText("No settings").waitFor();
});

pageTest("settings that the policy rejects are errors at their lines", async (page) => {
  await write(page, "Settings", "vault:\n  address: vault\n  unknown: 1\nsidecars: naive\n");
  await settled(page);
  const shown = await findings(page).allTextContents();
  assert.deepEqual(shown.map((text) => text.replace(/:.*/s, "")), [
    "Error, settings, line 2 vault.address",
    "Error, settings, line 3 vault.unknown",
    "Error, settings, line 4 sidecars",
  ]);
  await summary(page).getByText("The policy rejects the settings").waitFor();
});

pageTest("a policy's manifest has settings too", async (page) => {
  const policy = "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nspec:\n  settings:\n    sidecars: naive\n";
  await write(page, "Settings", policy);
  await settled(page);
  await findings(page).getByText("Error, settings, line 5").waitFor();
  await write(page, "Settings", policy.replace("naive", "native"));
  await settled(page);
  await page.getByRole("rowheader", { name: "tvsi-vault-agent (native sidecar)" }).waitFor();
});

pageTest("a link holds the input", async (page) => {
  await write(page, "Manifest", "# \u00e4 \u{1f511}\nkind: Pod\n");
  await write(page, "Settings", "sidecars: native\n");
  await page.getByRole("button", { name: "Copy link" }).click();
  await page.getByText("in the clipboard").waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());

  const other = await open(browser, link);
  for (const [editor, text] of [["Manifest", "# \u00e4 \u{1f511}"], ["Settings", "sidecars: native"]] as const) {
    await other.getByRole("textbox", { name: editor, exact: true }).getByText(text).waitFor();
  }
  await other.context().close();

  const broken = await open(browser, link.slice(0, -10));
  await broken.getByText("This link cannot be read").waitFor();
  await broken.context().close();
});

pageTest("what a link has is text, and never part of the page", async (page) => {
  const name = "<img src=x onerror=document.title=1>";
  const annotations = `{sidecar.vault.talend.org/inject: "true", sidecar.vault.talend.org/role: r, sidecar.vault.talend.org/mode: proxy, "sidecar.vault.talend.org/${name}": a}`;
  await write(page, "Manifest", `{apiVersion: v1, kind: Pod, metadata: {annotations: ${annotations}}, spec: {containers: [{name: "${name}", image: a}]}}`);
  await settled(page);
  assert.match(await page.locator("main").innerText(), /<img/);
  assert.equal(await page.locator("img").count(), 0);
  await write(page, "Manifest", `{apiVersion: v1, kind: Pod, metadata: {annotations: {sidecar.vault.talend.org/inject: "true", sidecar.vault.talend.org/role: r, "sidecar.vault.talend.org/a\u202eb": a}}, spec: {containers: [{name: a, image: a}]}}`);
  await settled(page);
  await findings(page).getByText("a\\u{202e}b").first().waitFor();
  assert.equal(await page.title(), "Playground: Vault secrets in pods");
});

pageTest("all of it can be reached by the keyboard", async (page) => {
  const reached = new Set<string>();
  for (let press = 0; press < 20; press++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement?.id || document.activeElement?.getAttribute("aria-label") || ""));
  }
  for (const id of ["sample", "share", "Manifest", "settings-sample", "Settings", "whole", "copy", "Injected manifest"]) {
    assert.ok(reached.has(id), `${id} is not among ${[...reached].join(", ")}`);
  }
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`screen readers find nothing in their way, and colors have contrast: ${colorScheme}`, async () => {
    const page = await open(browser, server.address, { colorScheme });
    await write(page, "Manifest", readFileSync(join(import.meta.dirname, "../../tests/mistakes.yaml"), "utf8"));
    await settled(page);
    // The page's own policy keeps scripts of others out, unless the browser's tools bring them.
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate<AxeResults>("axe.run()");
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`), []);
    await page.context().close();
  });
}

test("the page is small", () => {
  const folder = join(root, "target/playground");
  const bytes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
  const total = bytes.reduce((sum, size) => sum + size, 0);
  assert.ok(total <= MOST_BYTES, `${total} bytes, and at most ${MOST_BYTES}`);
});
