// Evaluates the newest input only, and not for longer than people wait.

import { type Evaluation, nothing } from "./evaluation.ts";
import type { Input } from "./link.ts";
import type { Order } from "./worker.ts";

/** How long an evaluation may take. One of a large manifest takes a second. */
const LIMIT_MILLISECONDS = 10_000;

export class Evaluator {
  readonly #module: WebAssembly.Module;
  readonly #show: (evaluation: Evaluation) => void;
  #worker: Worker | undefined;
  #timer = 0;

  constructor(module: WebAssembly.Module, show: (evaluation: Evaluation) => void) {
    this.#module = module;
    this.#show = show;
  }

  /** Evaluates this input, in place of one that is still evaluated. */
  evaluate(input: Input): void {
    this.stop();
    const worker = new Worker("worker.js", { type: "module" });
    this.#worker = worker;
    const end = (evaluation: Evaluation) => {
      if (this.#worker !== worker) return;
      this.stop();
      this.#show(evaluation);
    };
    worker.onmessage = ({ data }: MessageEvent<Evaluation>) => end(data);
    worker.onerror = ({ message }) => end(nothing(`The input cannot be evaluated: ${message}`));
    this.#timer = window.setTimeout(() => end(nothing("The input takes too long to evaluate in this page.")), LIMIT_MILLISECONDS);
    worker.postMessage({ module: this.#module, input } satisfies Order);
  }

  stop(): void {
    window.clearTimeout(this.#timer);
    this.#worker?.terminate();
    this.#worker = undefined;
  }
}
