// Evaluates settings and manifest together.

import { type Evaluation, nothing } from "./evaluation.ts";
import type { Input } from "./link.ts";
import type { Policy } from "./policy.ts";
import { type Finding, review } from "./review.ts";
import { readSettings } from "./settings.ts";
import { escaped } from "./text.ts";

/** The most letters of a manifest, or of settings. A manifest of that many is evaluated within seconds. */
export const MOST_LETTERS = 256 * 1024;

/** The most findings that are shown. */
const MOST_FINDINGS = 100;

/** Evaluates the input; whatever goes wrong is in what is shown. */
export function evaluate(input: Input, policy: Policy): Evaluation {
  for (const [name, text] of [["manifest", input.manifest], ["settings", input.settings]] as const) {
    if (text.length > MOST_LETTERS) return nothing(`The ${name} is too large for this page: expected at most ${MOST_LETTERS} letters.`);
  }
  try {
    const { settings, findings } = readSettings(input.settings, policy);
    if (findings.length > 0) {
      const summary = "The policy rejects the settings, and evaluates nothing.";
      return { ...nothing(summary), ofSettings: shown(findings) };
    }
    const result = review(input.manifest, policy, settings);
    return { ...result, findings: shown(result.findings), ofSettings: [] };
  } catch (error) {
    return nothing(`The input cannot be evaluated: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function shown(findings: Finding[]): Finding[] {
  const first = findings.slice(0, MOST_FINDINGS).map((finding) => ({ ...finding, message: escaped(finding.message) }));
  const last = first.at(-1);
  const more = findings.length - first.length;
  return last === undefined || more === 0 ? first : [...first, { ...last, severity: "info", message: `${more} more findings are not shown` }];
}
