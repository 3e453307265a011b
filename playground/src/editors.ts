// The editors of the page, which are CodeMirror's.

import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { codeFolding, foldEffect, foldGutter, foldKeymap, foldService, HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { yaml } from "@codemirror/legacy-modes/mode/yaml";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { unifiedMergeView } from "@codemirror/merge";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { EditorView, highlightSpecialChars, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

import type { Finding } from "./review.ts";

/** The most lines of a new text that the difference shows as it is: what is longer is a script. */
const MOST_LINES = 3;

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const theme = new Compartment();
const themeNow = (): Extension => EditorView.theme({}, { dark: dark.matches });

const colors = HighlightStyle.define([
  { tag: tags.comment, color: "var(--comment)" },
  { tag: [tags.propertyName, tags.atom], color: "var(--name)" },
  { tag: [tags.string, tags.number], color: "var(--text)" },
  { tag: [tags.meta, tags.keyword, tags.variableName], color: "var(--meta)" },
]);

/** What all editors have. Tab goes on to the next part of the page, as everywhere else. */
function common(label: string): Extension[] {
  return [
    lineNumbers(),
    highlightSpecialChars(),
    StreamLanguage.define(yaml),
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
      foldService.of(blockText),
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
    const ranges: { from: number; to: number }[] = [];
    for (let line = 1; line <= state.doc.lines; line++) {
      const range = blockText(state, state.doc.line(line).from);
      if (range !== null) ranges.push(range);
    }
    this.#view.dispatch({ effects: ranges.map((range) => foldEffect.of(range)) });
  }
}

/** The lines of a text of many lines, such as a script, whose indicator (`|`) ends the line that begins at `start`. */
function blockText(state: EditorState, start: number): { from: number; to: number } | null {
  const first = state.doc.lineAt(start);
  if (!/(?:^|\s)[|>][-+0-9]*$/.test(first.text)) return null;
  const indent = (text: string) => text.search(/\S|$/);
  let last = first;
  for (let number = first.number + 1; number <= state.doc.lines; number++) {
    const line = state.doc.line(number);
    if (line.text.trim() === "") continue;
    if (indent(line.text) <= indent(first.text)) break;
    last = line;
  }
  return last.number - first.number > MOST_LINES ? { from: first.to, to: last.to } : null;
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
