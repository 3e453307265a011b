// The page: whatever is written on the left is evaluated, and shown on the right.

import { samples, settings as samplesOfSettings } from "samples";

import type { Addition } from "./additions.ts";
import { Difference, Input } from "./editors.ts";
import { decode, encode } from "./link.ts";
import { Policy, PolicyFailure } from "./policy.ts";
import { type Finding, review } from "./review.ts";
import { readSettings } from "./settings.ts";

/** How long nothing is typed before the policy is called. */
const PAUSE_MILLISECONDS = 150;

/** The sample that is there in the beginning. */
const FIRST = "deployment-dynamic";

const DEFAULTS = "# No settings: the policy has its defaults.\n";

function element<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

const summary = element("summary", HTMLParagraphElement);
const findingsList = element("findings", HTMLUListElement);
const table = element("additions", HTMLTableElement);
const isWhole = element("whole", HTMLInputElement);
const samplesSelect = element("sample", HTMLSelectElement);
const settingsSelect = element("settings-sample", HTMLSelectElement);
const shared = element("shared", HTMLParagraphElement);

const later = debounced(evaluate);
const manifest = new Input(element("manifest", HTMLDivElement), "Manifest", later);
const settings = new Input(element("settings", HTMLDivElement), "Settings", later);
const difference = new Difference(element("difference", HTMLDivElement), "Injected manifest");

let policy: Policy | undefined;
let result = { before: "", after: "" };

/** Puts an action off until nothing is typed; the page says whether it shows what is written. */
function debounced(action: () => void): () => void {
  let timer = 0;
  return () => {
    document.documentElement.dataset["ready"] = "false";
    window.clearTimeout(timer);
    timer = window.setTimeout(action, PAUSE_MILLISECONDS);
  };
}

function evaluate(): void {
  if (policy === undefined) return;
  document.documentElement.dataset["ready"] = "true";
  samplesSelect.value = samples.find(({ text }) => text === manifest.text)?.name ?? "";
  settingsSelect.value = samplesOfSettings.find(({ text }) => text === settings.text)?.name ?? "";
  try {
    const given = readSettings(settings.text, policy);
    settings.show(given.findings);
    if (given.findings.length > 0) {
      manifest.show([]);
      present("The policy rejects the settings, and evaluates nothing.", [], [], "", "");
      list([...given.findings.map((finding) => [settings, finding] as const)]);
      return;
    }
    const { summary, findings, additions, before, after } = review(manifest.text, policy, given.settings);
    manifest.show(findings);
    present(summary, findings, additions, before, after);
  } catch (error) {
    if (!(error instanceof PolicyFailure)) throw error;
    present(error.message, [], [], "", "");
  }
}

function present(sentence: string, findings: readonly Finding[], additions: readonly Addition[], before: string, after: string): void {
  summary.textContent = sentence;
  list(findings.map((finding) => [manifest, finding] as const));
  tabulate(additions);
  result = { before, after };
  difference.show(before, after, isWhole.checked);
}

const SEVERITIES = { error: "Error", warning: "Warning", info: "Note" };

/** Lists findings for those who do not see the marks in the editor. */
function list(findings: readonly (readonly [Input, Finding])[]): void {
  findingsList.replaceChildren(
    ...findings.map(([editor, { severity, message, from }]) => {
      const item = document.createElement("li");
      item.className = severity;
      const place = document.createElement("button");
      const name = editor === settings ? "settings, line" : "line";
      place.textContent = `${SEVERITIES[severity]}, ${name} ${editor.lineOf(from)}`;
      place.onclick = () => editor.goTo(from);
      item.append(place, ` ${message}`);
      return item;
    }),
  );
}

function tabulate(additions: readonly Addition[]): void {
  table.hidden = additions.length === 0;
  const rows = additions.map(({ container, image, requests, limits, volumes }) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = container;
    row.append(head);
    for (const text of [image, requests, limits, volumes]) row.insertCell().textContent = text;
    return row;
  });
  table.tBodies[0]?.replaceChildren(...rows);
}

function fill(select: HTMLSelectElement, names: readonly string[]): void {
  select.append(...names.map((name) => new Option(name, name)));
}

/** Takes the input out of the address: a link that somebody shared, or the name of a sample. */
async function readAddress(): Promise<void> {
  const fragment = window.location.hash.slice(1);
  const name = fragment.startsWith("sample=") ? fragment.slice("sample=".length) : undefined;
  const sample = samples.find((sample) => sample.name === (name ?? FIRST));
  const input = fragment === "" || name !== undefined ? undefined : await decode(fragment);
  if (fragment !== "" && input === undefined && (name === undefined || sample === undefined)) {
    shared.textContent = "This link cannot be read: part of it is missing.";
  }
  manifest.text = input?.manifest ?? sample?.text ?? "";
  settings.text = input?.settings ?? sample?.settings ?? DEFAULTS;
}

fill(samplesSelect, samples.map(({ name }) => name));
fill(settingsSelect, samplesOfSettings.map(({ name }) => name));

samplesSelect.onchange = () => {
  const sample = samples.find(({ name }) => name === samplesSelect.value);
  manifest.text = sample?.text ?? manifest.text;
  if (sample?.settings !== undefined) settings.text = sample.settings;
};
settingsSelect.onchange = () => {
  settings.text = samplesOfSettings.find(({ name }) => name === settingsSelect.value)?.text ?? DEFAULTS;
};
isWhole.onchange = () => difference.show(result.before, result.after, isWhole.checked);
element("copy", HTMLButtonElement).onclick = async () => {
  await navigator.clipboard.writeText(result.after);
  shared.textContent = "The injected manifest is in the clipboard.";
};
element("share", HTMLButtonElement).onclick = async () => {
  const fragment = await encode({ manifest: manifest.text, settings: settings.text });
  window.history.replaceState(null, "", `#${fragment}`);
  shared.textContent = "The address of this page holds the input now.";
  await navigator.clipboard.writeText(window.location.href);
  shared.textContent = "The link that holds the input is in the clipboard, and the address of this page.";
};
window.onhashchange = readAddress;

await readAddress();
try {
  const answer = await fetch("policy.wasm");
  if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
  policy = new Policy(await WebAssembly.compile(await answer.arrayBuffer()));
  evaluate();
} catch (error) {
  summary.textContent = `The policy's module cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
}
