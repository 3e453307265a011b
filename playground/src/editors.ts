// The editors of the page, which are CodeMirror's.

import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { codeFolding, foldEffect, foldGutter, foldKeymap, HighlightStyle, syntaxHighlighting, syntaxTree } from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { unifiedMergeView } from "@codemirror/merge";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

import type { Finding } from "./review.ts";

/** The most lines of a new text that the difference shows as it is: what is longer is a script. */
const MOST_LINES = 3;

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const theme = new Compartment();
const themeNow = (): Extension => EditorView.theme({}, { dark: dark.matches });

const colors = HighlightStyle.define([
  { tag: tags.comment, color: "var(--comment)" },
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--name)" },
  { tag: [tags.string, tags.content], color: "var(--text)" },
  { tag: [tags.meta, tags.keyword, tags.labelName, tags.typeName], color: "var(--meta)" },
]);

/** What all editors have. Tab goes on to the next part of the page, as everywhere else. */
function common(label: string): Extension[] {
  return [
    lineNumbers(),
    yaml(),
    syntaxHighlighting(colors),
    theme.of(themeNow()),
    EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
    keymap.of([...defaultKeymap, ...foldKeymap]),
  ];
}

function follow(view: EditorView): EditorView {
  dark.addEventListener("change", () => view.dispatch({ effects: theme.reconfigure(themeNow()) }));
  return view;
}

/** An editor for a text with findings. */
export class Input {
  readonly #view: EditorView;

  constructor(parent: HTMLElement, label: string, changed: () => void) {
    const extensions = [
      ...common(label),
      history(),
      lintGutter(),
      keymap.of([...historyKeymap, ...lintKeymap]),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) changed();
      }),
    ];
    this.#view = follow(new EditorView({ parent, extensions }));
  }

  get text(): string {
    return this.#view.state.doc.toString();
  }

  set text(text: string) {
    this.#view.dispatch({ changes: { from: 0, to: this.#view.state.doc.length, insert: text } });
  }

  /** Shows findings at their lines. */
  show(findings: readonly Finding[]): void {
    const end = this.#view.state.doc.length;
    const diagnostics = findings.map(({ severity, message, from, to }) => {
      const start = Math.min(from, end);
      return { severity, message, from: start, to: Math.min(Math.max(start, to), end) };
    });
    this.#view.dispatch(setDiagnostics(this.#view.state, diagnostics));
  }

  /** The line of a place, from 1. */
  lineOf(place: number): number {
    return this.#view.state.doc.lineAt(Math.min(place, this.#view.state.doc.length)).number;
  }

  goTo(place: number): void {
    const anchor = Math.min(place, this.#view.state.doc.length);
    this.#view.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: "center" }) });
    this.#view.focus();
  }
}

/** A text beside what it was before. */
export class Difference {
  readonly #view: EditorView;
  readonly #label: string;

  constructor(parent: HTMLElement, label: string) {
    this.#label = label;
    this.#view = follow(new EditorView({ parent }));
  }

  /** Shows `after`: what is longer than some lines is folded, and what has not changed unless `isWhole`. */
  show(before: string, after: string, isWhole: boolean): void {
    const extensions = [
      ...common(this.#label),
      EditorState.readOnly.of(true),
      foldGutter(),
      codeFolding({ preparePlaceholder: linesOf, placeholderDOM: placeholder }),
      before === after
        ? []
        : unifiedMergeView({
            original: before,
            mergeControls: false,
            highlightChanges: false,
            ...(isWhole ? {} : { collapseUnchanged: { margin: 3, minSize: 6 } }),
          }),
    ];
    this.#view.setState(EditorState.create({ doc: after, extensions }));
    if (!isWhole) this.#foldScripts();
  }

  #foldScripts(): void {
    const { state } = this.#view;
    const effects: ReturnType<typeof foldEffect.of>[] = [];
    syntaxTree(state).iterate({
      enter: ({ name, from, to }) => {
        if (name !== "BlockLiteralContent" && name !== "BlockLiteral") return true;
        const first = state.doc.lineAt(from);
        const last = state.doc.lineAt(to);
        if (last.number - first.number > MOST_LINES) effects.push(foldEffect.of({ from: first.to, to: last.to }));
        return false;
      },
    });
    this.#view.dispatch({ effects });
  }
}

function linesOf(state: EditorState, { from, to }: { from: number; to: number }): number {
  return state.doc.lineAt(to).number - state.doc.lineAt(from).number;
}

function placeholder(_view: EditorView, unfold: (event: Event) => void, lines: number): HTMLElement {
  const button = document.createElement("button");
  button.className = "folded";
  button.textContent = `${lines} lines`;
  button.onclick = unfold;
  return button;
}
