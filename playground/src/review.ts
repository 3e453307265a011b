// What becomes of a manifest: the findings with their places, and the text with everything in it injected.

import { type Addition, additions } from "./additions.ts";
import { Cluster, templateOf } from "./cluster.ts";
import { at, isObject, type Json, type JsonObject } from "./json.ts";
import type { Policy } from "./policy.ts";
import { Vocabulary } from "./vocabulary.ts";
import { objectsIn, type Span, YamlDocument } from "./yaml.ts";

export type Severity = "error" | "warning" | "info";

/** Something that a person should know, or has to mend, and the part of the text that it is about. */
export interface Finding extends Span {
  severity: Severity;
  message: string;
}

/** What a manifest comes to. */
export interface Review {
  findings: Finding[];
  /** One sentence for people. */
  summary: string;
  additions: Addition[];
  /** The manifest, written as `after` is. */
  before: string;
  after: string;
}

export function review(manifest: string, policy: Policy, settings: JsonObject): Review {
  const cluster = new Cluster(policy, settings, Vocabulary.with(settings));
  const counts = { objects: 0, injected: 0, checked: 0, rejected: 0 };
  const result: Review = { findings: [], summary: "", additions: [], before: "", after: "" };
  for (const document of YamlDocument.all(manifest)) {
    result.findings.push(...document.mistakes.map((mistake) => ({ severity: "error" as const, ...mistake })));
    const injected = structuredClone(document.value);
    for (const { object, path } of objectsIn(document.value)) {
      const admission = cluster.admit(object);
      if (admission === undefined) continue;
      counts.objects += 1;
      const find = (severity: Severity, message: string) => {
        const inside = pathOfAnnotation(message, object, cluster.vocabularies);
        result.findings.push({ severity, message, ...document.spanOf([...path, ...inside]) });
      };
      for (const warning of admission.warnings) find("warning", warning);
      for (const image of admission.assumed) find("info", `image ${image}: not looked up; <ENTRYPOINT of ${image}> stands for what it runs`);
      switch (admission.outcome.kind) {
        case "rejected":
          counts.rejected += 1;
          find("error", admission.outcome.message);
          break;
        case "checked":
          counts.checked += 1;
          break;
        case "injected":
          counts.injected += 1;
          result.additions.push(...additions(object, admission.outcome.object));
          put(injected, path, object, admission.outcome.object);
          break;
        case "unchanged":
          for (const [severity, message] of withoutEffect(object, cluster.vocabularies)) find(severity, message);
      }
    }
    result.before += document.written();
    result.after += document.written(injected);
  }
  result.findings.sort((one, other) => one.from - other.from);
  result.summary = summary(counts);
  return result;
}

function summary({ objects, injected, checked, rejected }: Record<string, number>): string {
  if (objects === 0) return "The manifest has no pods and no workloads.";
  const others = checked ? `, ${checked} of other kinds checked` : "";
  return `${injected} of ${objects} pods and workloads injected${others}${rejected ? `, ${rejected} rejected` : ""}.`;
}

/** Puts an injected object where the submitted one is, without the type that only its list says. */
function put(document: Json | undefined, path: readonly string[], submitted: JsonObject, injected: JsonObject): void {
  const place = at(document, path);
  if (!isObject(place)) return;
  for (const name of Object.keys(submitted)) {
    if (injected[name] === undefined) delete place[name];
  }
  for (const [name, value] of Object.entries(injected)) {
    const isOfList = (name === "kind" || name === "apiVersion") && place[name] === undefined;
    if (!isOfList) place[name] = value;
  }
}

/** What an unchanged object has annotations for that nothing reads. A cluster does not even send it to the policy. */
function withoutEffect(object: JsonObject, vocabularies: readonly Vocabulary[]): [Severity, string][] {
  const names = placesOf(object, vocabularies)
    .slice(0, 2)
    .flatMap((place) => annotationsAt(object, place));
  const other = Vocabulary.agentInjector;
  const isOff = names.includes(other.inject) && !vocabularies.some(({ isAgentInjector }) => isAgentInjector);
  const without = vocabularies.flatMap((vocabulary): [Severity, string][] => {
    const own = names.filter((name) => vocabulary.has(name)).sort();
    const isExplained = own.includes(vocabulary.inject) || own.includes(vocabulary.status);
    return own[0] === undefined || isExplained
      ? []
      : [["warning", `annotation ${own[0]} has no effect without ${vocabulary.inject}`]];
  });
  const off = `annotation ${other.inject}: no effect while the setting agentInjector.enabled is false`;
  return [...without.slice(0, 1), ...(isOff ? [["info", off] as [Severity, string]] : [])];
}

const ANNOTATIONS = ["metadata", "annotations"];

/** Where an object may have annotations, the pod's own first, and then all else that has names of the policy. */
function placesOf(object: JsonObject, vocabularies: readonly Vocabulary[]): string[][] {
  const places = [[...(templateOf(object) ?? []), ...ANNOTATIONS], ANNOTATIONS];
  const search = (value: Json, path: string[]): void => {
    const members = isObject(value) ? Object.entries(value) : Array.isArray(value) ? value.map((it, index) => [String(index), it] as const) : [];
    for (const [name, member] of members) search(member, [...path, name]);
    if (isObject(value) && Object.keys(value).some((name) => vocabularies.some((it) => it.has(name)))) places.push(path);
  };
  search(object, []);
  return places;
}

function annotationsAt(object: JsonObject, place: readonly string[]): string[] {
  const annotations = at(object, place);
  return isObject(annotations) ? Object.keys(annotations) : [];
}

/**
 * The path of the annotation that a message is about: the one that it begins with, or the first one in it that is there.
 * `vsi` finds it in the same way (vsi/src/findings.rs).
 */
function pathOfAnnotation(message: string, object: JsonObject, vocabularies: readonly Vocabulary[]): string[] {
  const places = placesOf(object, vocabularies);
  const having = (name: string) => places.filter((place) => annotationsAt(object, place).includes(name));
  const behind = message.startsWith("annotation ") ? message.slice("annotation ".length) : "";
  const isFirst = (name: string) => behind.startsWith(name) && /^(?:[ :]|$)/.test(behind.slice(name.length));
  const present = places.flatMap((place) => annotationsAt(object, place)).filter(isFirst);
  const begins = present.sort((one, other) => other.length - one.length)[0] ?? /^[\w./-]+/.exec(behind)?.[0];
  const words = [begins ?? "", ...message.split(/[^\w./-]+/).map((word) => word.replace(/\.+$/, ""))];
  for (const word of words) {
    const found = having(word);
    if (found.length === 0) continue;
    const dotted = (place: string[]) => place.map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${step}`)).join("").slice(1);
    const named = found.find((place) => message.includes(`(in ${dotted(place.slice(0, -ANNOTATIONS.length))})`) || message.includes(` in ${dotted(place)}`));
    return [...(named ?? found[0] ?? []), word];
  }
  // An annotation that is missing: where it belongs.
  return vocabularies.some((it) => it.has(begins ?? "")) ? (places.find((place) => annotationsAt(object, place).length > 0) ?? []) : [];
}
