const LONGEST = 300;

/** ECMA-48, 5.4: control sequences; then strings such as window titles, which end with BEL or ST; then two-character escapes. */
const ESCAPES = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?/g;

/** What a guest wrote on its console, safe to show: no escape sequence or control character reaches the person's terminal. */
export function plainLines(text: string): string[] {
  return text
    .replace(ESCAPES, '')
    .split(/[\r\n]+/)
    .map((line) =>
      line
        .replace(/[^\P{Cc}\t]/gu, '')
        .trimEnd()
        .slice(0, LONGEST),
    )
    .filter(Boolean);
}
