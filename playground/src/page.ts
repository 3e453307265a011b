// The page: whatever is written on the left is evaluated, and shown on the right.

import { samples, settings as samplesOfSettings } from "samples";

import type { Addition } from "./additions.ts";
import { Difference, Input } from "./editors.ts";
import { type Evaluation, nothing } from "./evaluation.ts";
import { Evaluator } from "./evaluator.ts";
import { decode, encode } from "./link.ts";
import type { Finding } from "./review.ts";

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
const copyButton = element("copy", HTMLButtonElement);
const shared = element("shared", HTMLParagraphElement);

const later = debounced(evaluate);
const manifest = new Input(element("manifest", HTMLDivElement), "Manifest", later);
const settings = new Input(element("settings", HTMLDivElement), "Settings", later);
const difference = new Difference(element("difference", HTMLDivElement), "Injected manifest");

let evaluator: Evaluator | undefined;
let result = nothing("");

/** Puts an action off until nothing is typed; the page says whether it shows what is written. */
function debounced(action: () => void): () => void {
  let timer = 0;
  return () => {
    isReady(false);
    window.clearTimeout(timer);
    timer = window.setTimeout(action, PAUSE_MILLISECONDS);
  };
}

/** Says, for programs that read the page, whether it shows what is written. */
function isReady(ready: boolean): void {
  document.documentElement.dataset["ready"] = String(ready);
  copyButton.disabled = !ready || result.after === "";
}

function evaluate(): void {
  samplesSelect.value = samples.find(({ text }) => text === manifest.text)?.name ?? "";
  settingsSelect.value = samplesOfSettings.find(({ text }) => text === settings.text)?.name ?? "";
  evaluator?.evaluate({ manifest: manifest.text, settings: settings.text });
}

function show(evaluation: Evaluation): void {
  result = evaluation;
  summary.textContent = evaluation.summary;
  manifest.show(evaluation.findings);
  settings.show(evaluation.ofSettings);
  listFindings([
    ...evaluation.ofSettings.map((finding) => [settings, finding] as const),
    ...evaluation.findings.map((finding) => [manifest, finding] as const),
  ]);
  tabulate(evaluation.additions);
  difference.show(evaluation.before, evaluation.after, isWhole.checked);
  isReady(true);
}

const SEVERITIES = { error: "Error", warning: "Warning", info: "Note" };

/** Lists findings for those who do not see the marks in the editor. */
function listFindings(findings: readonly (readonly [Input, Finding])[]): void {
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

/** How many addresses were read: a late answer for another one counts no more. */
let addresses = 0;

/** Takes the input out of the address: a link that somebody shared, or the name of a sample. */
async function readAddress(): Promise<void> {
  addresses += 1;
  const address = addresses;
  const fragment = window.location.hash.slice(1);
  const name = /^(?:sample=(.*))?$/.exec(fragment);
  const sample = name === null ? undefined : samples.find((sample) => sample.name === (name[1] ?? FIRST));
  const input = name === null ? await decode(fragment) : sample && { manifest: sample.text, settings: sample.settings ?? DEFAULTS };
  if (address !== addresses) return;
  if (input === undefined) {
    shared.textContent = name === null ? "This link cannot be read: a part of it is missing." : "There is no such sample.";
    return;
  }
  shared.textContent = "";
  manifest.text = input.manifest;
  settings.text = input.settings;
}

/** Puts a text into the clipboard, if the browser lets the page. */
async function copy(text: string, done: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    shared.textContent = done;
  } catch {
    shared.textContent = "The browser does not let this page use the clipboard.";
  }
}

fill(samplesSelect, samples.map(({ name }) => name));
fill(settingsSelect, samplesOfSettings.map(({ name }) => name));

samplesSelect.onchange = () => {
  const sample = samples.find(({ name }) => name === samplesSelect.value);
  if (sample === undefined) return;
  const isOwn = samplesOfSettings.every(({ text }) => text !== settings.text) && samples.every((it) => it.settings !== settings.text);
  manifest.text = sample.text;
  // Settings of a person stay, unless the sample needs others.
  if (sample.settings !== undefined || !isOwn) settings.text = sample.settings ?? DEFAULTS;
};
settingsSelect.onchange = () => {
  settings.text = samplesOfSettings.find(({ name }) => name === settingsSelect.value)?.text ?? DEFAULTS;
};
isWhole.onchange = () => difference.show(result.before, result.after, isWhole.checked);
copyButton.onclick = () => copy(result.after, "The injected manifest is in the clipboard.");
element("share", HTMLButtonElement).onclick = async () => {
  const fragment = await encode({ manifest: manifest.text, settings: settings.text });
  if (fragment === undefined) {
    shared.textContent = "The input is too large for a link.";
    return;
  }
  window.history.replaceState(null, "", `#${fragment}`);
  await copy(window.location.href, "The link that holds the input is in the clipboard, and the address of this page.");
};
window.onhashchange = readAddress;

await readAddress();
try {
  const answer = await fetch("policy.wasm");
  if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
  evaluator = new Evaluator(await WebAssembly.compile(await answer.arrayBuffer()), show);
  evaluate();
} catch (error) {
  summary.textContent = `The policy's module cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
}
