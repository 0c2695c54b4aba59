/** What is going on: steps that begin, advance and end, perhaps several at a time, and lines between them. */
export interface Display {
  start(step: string, title: string): void;
  /** `total` undefined: nobody knows how much there is. */
  progress(step: string, done: number, total: number | undefined): void;
  /** What it is at, in words. */
  note(step: string, text: string): void;
  end(step: string, note: string): void;
  /** A line for people, not to be drawn over. */
  line(text: string): void;
  /** Removes what is still being drawn. */
  close(): void;
}

/** One line a step that ends, for files and pipes. */
export function makeLines(write: (text: string) => void): Display {
  const titles = new Map<string, string>();
  return {
    start: (step, title) => {
      titles.set(step, title);
    },
    progress: () => undefined,
    note: () => undefined,
    end: (step, note) => write(`${titles.get(step) ?? step}: ${note}\n`),
    line: (text) => write(`${text}\n`),
    close: () => undefined,
  };
}

/** Lines only: warnings are worth reading even when progress is not. */
export function makeSilence(write: (text: string) => void): Display {
  const nothing = () => undefined;
  return {
    start: nothing,
    progress: nothing,
    note: nothing,
    end: nothing,
    line: (text) => write(`${text}\n`),
    close: nothing,
  };
}
