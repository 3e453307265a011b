// The built page in a real browser.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join, normalize } from "node:path";

import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

export const root = join(import.meta.dirname, "../../..");
const built = join(root, "target/playground");

const TYPES: Record<string, string> = { html: "text/html", js: "text/javascript", css: "text/css", wasm: "application/wasm" };

/** Serves the page on loopback, at a port of its own. */
export async function serve(): Promise<{ address: string; close: () => void }> {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://localhost").pathname);
    const file = path.endsWith("/") ? `${path}index.html` : path;
    try {
      const content = await readFile(join(built, file));
      response.writeHead(200, { "content-type": TYPES[file.split(".").at(-1) ?? ""] ?? "text/plain" }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  return { address: `http://127.0.0.1:${port}/`, close: () => server.close() };
}

export function launch(): Promise<Browser> {
  const executablePath = process.env["CHROMIUM"] || "/usr/bin/chromium";
  const args = ["--disable-background-networking", "--disable-component-update", "--disable-gpu", "--disable-quic", "--disable-sync", "--no-first-run"];
  return chromium.launch({ executablePath, args, chromiumSandbox: process.getuid?.() !== 0 });
}

/** Opens the page, and waits until the module has evaluated what is there. */
export async function open(browser: Browser, address: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(address);
  await page.locator("html[data-ready=true]").waitFor();
  return page;
}

/** Replaces what an editor has by a paste, as a person does. */
export async function write(page: Page, editor: "Manifest" | "Settings", text: string): Promise<void> {
  const field = page.getByRole("textbox", { name: editor, exact: true });
  await field.focus();
  await page.evaluate((text) => navigator.clipboard.writeText(text), text);
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.press("ControlOrMeta+v");
}

/** Waits until what was written last has been evaluated. */
export async function settled(page: Page): Promise<void> {
  await page.locator("html[data-ready=true]").waitFor();
}
