// Evaluates in a thread of its own, so that the page can be used whatever a manifest takes.

import { evaluate } from "./evaluate.ts";
import type { Input } from "./link.ts";
import { Policy } from "./policy.ts";

/** What the page sends. */
export interface Order {
  module: WebAssembly.Module;
  input: Input;
}

self.onmessage = ({ data }: MessageEvent<Order>) => {
  self.postMessage(evaluate(data.input, new Policy(data.module)));
};
