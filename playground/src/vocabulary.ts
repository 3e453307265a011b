// The annotations that make a pod an annotated pod, with given settings.

import facts from "./facts.json" with { type: "json" };
import { at, text, type JsonObject } from "./json.ts";

/** The policy's own annotations, or the Agent Injector's. */
export class Vocabulary {
  readonly inject: string;
  readonly status: string;

  private constructor(
    readonly prefix: string,
    readonly isAgentInjector: boolean,
    ofDefault: { prefix: string; inject: string; status: string },
  ) {
    this.inject = ofDefault.inject.replace(ofDefault.prefix, prefix);
    this.status = ofDefault.status.replace(ofDefault.prefix, prefix);
  }

  static readonly agentInjector = new Vocabulary(facts.agentInjector.prefix, true, facts.agentInjector);

  /** Those that pods can use with these settings, which need not be valid. */
  static with(settings: JsonObject): Vocabulary[] {
    const own = new Vocabulary(text(settings, "annotations", "prefix") || facts.own.prefix, false, facts.own);
    if (at(settings, ["agentInjector", "enabled"]) !== true) return [own];
    const prefix = text(settings, "agentInjector", "prefix") || facts.agentInjector.prefix;
    return [own, new Vocabulary(prefix, true, facts.agentInjector)];
  }

  /** Whether an annotation is below the prefix. */
  has(annotation: string): boolean {
    return annotation.startsWith(`${this.prefix}/`);
  }
}
