// Draws the pictures of docs/playground.md: what a sample becomes, and what a mistake in it looks like.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { launch, open, root, serve, settled, write } from "./browser.ts";

const sample = readFileSync(join(root, "deploy/samples/deployment-dynamic.yaml"), "utf8");
const pictures = {
  light: sample,
  dark: sample.replace("/role: shop", "/rol: shop"),
} as const;

const server = await serve();
const browser = await launch();
for (const colorScheme of ["light", "dark"] as const) {
  const page = await open(browser, server.address, { colorScheme });
  if (pictures[colorScheme] !== sample) await write(page, "Manifest", pictures[colorScheme]);
  await settled(page);
  await page.locator("h1").click();
  await page.mouse.wheel(0, -10_000);
  await page.screenshot({ path: join(root, `docs/playground-${colorScheme}.png`) });
  await page.context().close();
}
await browser.close();
server.close();
