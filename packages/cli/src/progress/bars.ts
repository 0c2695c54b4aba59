import { formatSize } from '@virtainers/core';
import type { Display } from './display.ts';

export interface Bar {
  readonly title: string;
  readonly done: number;
  readonly total: number | undefined;
  /** Instead of an amount. */
  readonly note?: string;
}

const TITLE_WIDTH = 28;
const REDRAW_MS = 80;

/** Bars on a terminal: running steps are redrawn at the bottom, ended ones and lines scroll up. `now` in milliseconds. */
export function makeBars(write: (text: string) => void, columns: () => number, now: () => number): Display {
  const running = new Map<string, Bar>();
  let drawn = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;
  const erase = () => (drawn > 0 ? `\x1b[${drawn}A\x1b[0J` : '');
  const draw = (above = '') => {
    const lines = [...running.values()].map((bar) => `${renderBar(bar, columns())}\n`);
    write(erase() + above + lines.join(''));
    drawn = lines.length;
    drawnAt = now();
  };
  return {
    start(step, title) {
      running.set(step, { title, done: 0, total: undefined });
      draw();
    },
    progress(step, done, total) {
      const bar = running.get(step);
      if (bar) running.set(step, { ...bar, done, total });
      if (bar && now() - drawnAt >= REDRAW_MS) draw();
    },
    note(step, text) {
      const bar = running.get(step);
      if (bar) running.set(step, { ...bar, note: text });
      if (bar && now() - drawnAt >= REDRAW_MS) draw();
    },
    end(step, note) {
      const title = running.get(step)?.title ?? step;
      running.delete(step);
      draw(`${title}: ${note}\n`);
    },
    line: (text) => draw(`${text}\n`),
    close() {
      running.clear();
      draw();
    },
  };
}

/** One line of at most `columns` - 1 characters, so that no terminal wraps it. */
export function renderBar({ title, done, total, note }: Bar, columns: number): string {
  const name = title.slice(0, TITLE_WIDTH).padEnd(TITLE_WIDTH);
  const bytes =
    total === undefined ? (done > 0 ? formatSize(done) : '…') : `${formatSize(done)} / ${formatSize(total)}`;
  const amount = note ?? bytes;
  const room = Math.min(40, columns - TITLE_WIDTH - amount.length - 6);
  if (total === undefined || room < 4) return `${name}  ${amount}`.slice(0, Math.max(0, columns - 1));
  const filled = Math.round(room * Math.min(1, total > 0 ? done / total : 1));
  return `${name} [${'#'.repeat(filled)}${'.'.repeat(room - filled)}] ${amount}`;
}
