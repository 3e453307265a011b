// YAML as kubectl reads it, with the place of everything in the text, and changed without losing its comments.

import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  type ScalarTag,
  type SchemaOptions,
  visit,
} from "yaml";

import { at, inOrder, isEqual, isObject, text as textAt, type Json, type JsonObject } from "./json.ts";

/** A part of a text, from its first letter to the one after its last. */
export interface Span {
  from: number;
  to: number;
}

/** Something that keeps a text from being read. */
export interface Mistake extends Span {
  message: string;
}

/** How much may come by aliases, as the library counts it: uses of an anchor times those inside of it. */
const MOST_ALIASED = 10_000;

/** How texts are written: long ones in one line, so that a difference does not depend on where they are broken. */
const STYLE = { lineWidth: 0 };

/** A document of a YAML text. */
export class YamlDocument {
  readonly mistakes: Mistake[];
  /** What is in it; `undefined` if it cannot be read. */
  readonly value: Json | undefined;

  private constructor(
    private readonly document: Document.Parsed,
    private readonly source: string,
  ) {
    const mistakes = [...document.errors, ...document.warnings];
    this.mistakes = mistakes.map(({ message, pos }) => ({ message, from: pos[0], to: Math.max(...pos) }));
    if (this.mistakes.length === 0) this.#findMistakes();
    this.value = this.mistakes.length > 0 ? undefined : this.#value();
  }

  /** The documents of a text. */
  static all(source: string): YamlDocument[] {
    const parsed = parseAllDocuments(source, {
      version: "1.1",
      customTags: likeKubectl,
      lineCounter: new LineCounter(),
      prettyErrors: false,
      // Compares each key with each other one.
      uniqueKeys: false,
    });
    return Array.isArray(parsed) ? parsed.map((document) => new YamlDocument(document, source)) : [];
  }

  /** Finds what kubectl, or this page, cannot make JSON of. */
  #findMistakes(): void {
    const add = (node: Node, message: string) => {
      const [from = 0, to = from] = node.range ?? [];
      this.mistakes.push({ message, from, to });
    };
    visit(this.document, {
      Alias: (_, node, ancestors) => {
        const target = node.resolve(this.document);
        if (target !== undefined && ancestors.includes(target)) add(node, `the alias *${node.source} is inside of what it stands for`);
      },
      Map: (_, map) => {
        const names = new Set<string>();
        for (const { key } of map.items) {
          if (!isScalar(key) || key.value === null || typeof key.value === "object") {
            add(isNode(key) ? key : map, "a key must be a text; templates of Helm must be rendered first");
            continue;
          }
          const name = String(key.value);
          if (names.has(name)) add(key, `the key ${name} is there twice`);
          names.add(name);
        }
      },
      Scalar: (_, node) => {
        const { value } = node;
        if (typeof value !== "number" || Number.isSafeInteger(value)) return;
        if (!Number.isFinite(value)) add(node, `${node.source} is not a number in JSON`);
        else if (Number.isInteger(value)) add(node, `${node.source} is larger than the numbers of this page; vsi has no such limit`);
      },
    });
  }

  #value(): Json | undefined {
    try {
      return (this.document.toJS({ maxAliasCount: MOST_ALIASED }) ?? null) as Json;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.mistakes.push({ message, from: this.document.range[0], to: this.document.range[0] });
      return undefined;
    }
  }

  /** Where the last step of a path is, or the nearest thing around it. */
  spanOf(path: readonly string[]): Span {
    const start = this.document.contents?.range?.[0] ?? this.document.range[0];
    let span: Span = { from: start, to: start };
    let node: unknown = this.document.contents;
    for (const step of path) {
      if (isAlias(node)) node = node.resolve(this.document);
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === step);
        if (pair === undefined) break;
        span = spanOfPair(pair as Pair<Node, Node | null>) ?? span;
        node = pair.value;
      } else if (isSeq(node)) {
        node = node.items[Number(step)];
        const range = (node as Node | undefined)?.range;
        if (!range) break;
        span = { from: range[0], to: range[0] };
      } else break;
    }
    return span;
  }

  /** The document as it is written where it has this value. */
  written(value: Json | undefined = this.value): string {
    if (this.value === undefined || value === undefined) {
      return this.source.slice(this.document.range[0], this.document.range[2]);
    }
    if (isEqual(this.value, value)) return this.document.toString(STYLE);
    const changed = this.document.clone() as Document;
    if (hasReferences(changed)) {
      changed.contents = changed.createNode(value);
    } else {
      changed.contents = updated(changed, changed.contents, this.value, value);
    }
    return changed.toString(STYLE);
  }
}

type Tags = Parameters<Extract<SchemaOptions["customTags"], (tags: never) => unknown>>[0];

/**
 * What kubectl's reader, go-yaml 2, has of YAML 1.1: no dates, no numbers of base sixty, no sets; and it knows `0o644`.
 */
function likeKubectl(tags: Tags): Tags {
  const others = /:(binary|omap|pairs|set|timestamp)$/;
  const octal: ScalarTag = {
    default: true,
    tag: "tag:yaml.org,2002:int",
    format: "OCT",
    test: /^[-+]?0o[0-7_]+$/,
    resolve: (text) => Number.parseInt(text.replace(/0o|_/g, ""), 8),
  };
  const kept = tags.filter((tag) => typeof tag === "string" || !(others.test(tag.tag) || ("format" in tag && tag.format === "TIME")));
  return [octal, ...kept];
}

function spanOfPair(pair: Pair<Node, Node | null>): Span | undefined {
  const key = pair.key.range;
  if (!key) return undefined;
  const end = isScalar(pair.value) ? pair.value.range?.[1] : undefined;
  return { from: key[0], to: Math.max(key[1], end ?? 0) };
}

/** Whether a part of a document stands for another: what changes one place would change both. */
function hasReferences(document: Document): boolean {
  let found = false;
  visit(document, {
    Alias: () => {
      found = true;
      return visit.BREAK;
    },
  });
  return found;
}

/** A node with another value, in which what stays the same keeps its comments and its style. */
function updated(document: Document, node: unknown, before: Json | undefined, after: Json): Node {
  if (isEqual(before, after)) return node as Node;
  if (isMap(node) && isObject(before) && isObject(after)) {
    for (const name of Object.keys(before)) {
      if (!Object.hasOwn(after, name)) node.delete(name);
    }
    for (const [name, value] of Object.entries(after)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === name);
      if (pair === undefined) node.add(document.createPair(name, inOrder(value, byHabit)));
      else pair.value = updated(document, pair.value, before[name], value);
    }
    return node;
  }
  if (isSeq(node) && Array.isArray(before) && Array.isArray(after)) {
    const left = before.map((value, index) => ({ value, node: node.items[index] }));
    node.items = after.map((value) => {
      const same = left.findIndex((item) => isEqual(item.value, value));
      const alike = same >= 0 ? same : left.findIndex((item) => isAlike(item.value, value));
      const [item] = alike >= 0 ? left.splice(alike, 1) : [];
      return item === undefined ? document.createNode(inOrder(value, byHabit)) : updated(document, item.node, item.value, value);
    });
    return node;
  }
  return document.createNode(inOrder(after, byHabit)) as Node;
}

/** What people write first in an object; the module's answer is in the order of the alphabet. */
const FIRST = ["name", "image", "command", "args"];

function byHabit(names: string[]): string[] {
  return [...FIRST.filter((name) => names.includes(name)), ...names.filter((name) => !FIRST.includes(name))];
}

/** Whether two items of a list are the same thing: Kubernetes names them. */
function isAlike(one: Json, other: Json): boolean {
  const name = textAt(one, "name");
  return name !== "" && name === textAt(other, "name");
}

/** Objects below a list, which say what they are or of which the list says it, and where each is. */
export function objectsIn(value: Json | undefined, path: string[] = []): { object: JsonObject; path: string[] }[] {
  if (!isObject(value) || typeof value["kind"] !== "string") return [];
  if (!value["kind"].endsWith("List")) return [{ object: value, path }];
  const kind = value["kind"].slice(0, -"List".length);
  const apiVersion = value["apiVersion"];
  const items = at(value, ["items"]);
  return (Array.isArray(items) ? items : []).flatMap((item, index) => {
    if (!isObject(item)) return [];
    const isTyped = item["kind"] !== undefined || kind === "" || apiVersion === undefined;
    const typed = isTyped ? item : { ...item, kind, apiVersion };
    return objectsIn(typed, [...path, "items", String(index)]);
  });
}
