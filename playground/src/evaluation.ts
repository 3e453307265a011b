// What the page shows for what is written.

import type { Addition } from "./additions.ts";
import type { Finding } from "./review.ts";

/** What is shown. */
export interface Evaluation {
  /** One sentence for people. */
  summary: string;
  /** About the manifest, in its order. */
  findings: Finding[];
  /** About the settings. */
  ofSettings: Finding[];
  additions: Addition[];
  /** The manifest, written as `after` is. */
  before: string;
  /** The manifest with everything in it injected; nothing where that cannot be known. */
  after: string;
}

/** Nothing to show but a sentence. */
export function nothing(summary: string): Evaluation {
  return { summary, findings: [], ofSettings: [], additions: [], before: "", after: "" };
}
