// Text that somebody else wrote, so that nothing in it is invisible.

/** `text` with letters that do not show, or that change the direction, as their numbers: `\u{202e}`. */
export function escaped(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (letter) => `\\u{${letter.codePointAt(0)?.toString(16)}}`);
}
