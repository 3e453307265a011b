// The settings that a person writes: alone, or in the manifest of a Kubewarden policy.

import { at, isObject, text, type JsonObject } from "./json.ts";
import type { Policy } from "./policy.ts";
import type { Finding } from "./review.ts";
import { YamlDocument } from "./yaml.ts";

/** Settings, and what is wrong with them: with settings that the policy rejects, nothing is evaluated. */
export interface Settings {
  settings: JsonObject;
  findings: Finding[];
}

export function readSettings(source: string, policy: Policy): Settings {
  const documents = YamlDocument.all(source).filter(({ value }) => value !== null);
  const mistakes = documents.flatMap((document) => document.mistakes);
  const error = (message: string, from = 0, to = from) => ({ severity: "error" as const, message, from, to });
  if (mistakes.length > 0) {
    return { settings: {}, findings: mistakes.map(({ message, from, to }) => error(message, from, to)) };
  }
  const isPolicy = ({ value }: YamlDocument) =>
    text(value, "apiVersion").startsWith("policies.kubewarden.io/") && /^(Cluster)?AdmissionPolicy$/.test(text(value, "kind"));
  const policies = documents.filter(isPolicy);
  const [document, another] = policies.length > 0 ? policies : documents;
  if (another !== undefined) {
    const message = policies.length > 0 ? "this is a second policy; expected one" : "these are other settings, or no policy; expected one";
    return { settings: {}, findings: [error(message, another.spanOf([]).from)] };
  }
  if (document === undefined) return { settings: {}, findings: [] };
  const path = policies.length > 0 ? ["spec", "settings"] : [];
  const settings = at(document.value, path) ?? {};
  if (!isObject(settings)) return { settings: {}, findings: [error("settings must be an object", document.spanOf(path).from)] };
  const verdict = policy.validateSettings(settings);
  if (verdict.valid) return { settings, findings: [] };
  const findings = problemsIn(verdict.message ?? "").map((message) => {
    const setting = /^[\w.[\]-]+(?=:)/.exec(message)?.[0] ?? "";
    const steps = setting.split(/[.[\]]+/).filter((step) => step !== "");
    const { from, to } = document.spanOf([...path, ...steps]);
    return error(message, from, to);
  });
  return { settings, findings };
}

/** The problems that the policy reports in one sentence, each of which begins with its setting. */
function problemsIn(message: string): string[] {
  return message.split(/; (?=[a-z]\w*(?:[.[]|: ))/);
}

