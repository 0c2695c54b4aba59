import fc from 'fast-check';
import { expect, test } from 'vitest';
import { makeBars, renderBar } from './bars.ts';
import { makeLines, makeSilence } from './display.ts';

test('half of it', () => {
  const bar = `[${'#'.repeat(17)}${'.'.repeat(16)}]`;
  expect(renderBar({ title: 'disk', done: 1024, total: 2048 }, 80)).toBe(`${'disk'.padEnd(28)} ${bar} 1 KiB / 2 KiB`);
});

test('nobody knows how much there is', () => {
  expect(renderBar({ title: 'fetch', done: 2048, total: undefined }, 80).trimEnd()).toMatch(/^fetch +2 KiB$/);
});

test('no bar is wider than the terminal', () => {
  const bar = fc.record({
    title: fc.string(),
    done: fc.nat(),
    total: fc.option(fc.nat(), { nil: undefined }),
  });
  fc.assert(
    fc.property(bar, fc.integer({ min: 1, max: 300 }), (shown, columns) => {
      expect(renderBar(shown, columns).length).toBeLessThan(Math.max(columns, 1));
    }),
  );
});

/** A terminal of `columns`, as far as the drawing uses one: what a person sees in the end. */
function screen(write: (write: (text: string) => void) => void): string[] {
  let lines: string[] = [''];
  write((text) => {
    for (const part of text.split(/(\x1b\[\d+[AJ]|\n)/)) {
      const up = /^\x1b\[(\d+)A$/.exec(part);
      if (up) lines = [...lines.slice(0, lines.length - 1 - Number(up[1])), ''];
      else if (part === '\n') lines.push('');
      else if (!part.startsWith('\x1b')) lines[lines.length - 1] += part;
    }
  });
  return lines.map((line) => line.trimEnd());
}

test('ended steps and lines scroll up, running ones are redrawn below', () => {
  let time = 0;
  const seen = screen((write) => {
    const bars = makeBars(
      write,
      () => 80,
      () => (time += 100),
    );
    bars.start('root', 'runtime root');
    bars.start('disk', 'disk');
    bars.progress('root', 1024, undefined);
    bars.line('a warning');
    bars.end('root', '79 MiB');
    bars.progress('disk', 2048, undefined);
  });
  expect(seen).toEqual(['a warning', 'runtime root: 79 MiB', expect.stringMatching(/^disk +2 KiB$/), '']);
});

test('closing leaves nothing half drawn', () => {
  const seen = screen((write) => {
    const bars = makeBars(
      write,
      () => 80,
      () => 0,
    );
    bars.start('root', 'runtime root');
    bars.close();
  });
  expect(seen).toEqual(['']);
});

test('many small advances are drawn seldom', () => {
  let writes = 0;
  const bars = makeBars(
    () => (writes += 1),
    () => 80,
    () => 0,
  );
  bars.start('disk', 'disk');
  for (let done = 0; done < 1000; done += 1) bars.progress('disk', done, 1000);
  expect(writes).toBe(1);
});

test('without a terminal: one line a step that ends', () => {
  let text = '';
  const lines = makeLines((more) => (text += more));
  lines.start('disk', 'disk');
  lines.progress('disk', 1, 2);
  lines.line('a warning');
  lines.end('disk', '201 MiB');
  expect(text).toBe('a warning\ndisk: 201 MiB\n');
});

test('quiet: lines only', () => {
  let text = '';
  const silence = makeSilence((more) => (text += more));
  silence.start('disk', 'disk');
  silence.end('disk', '201 MiB');
  silence.line('a warning');
  expect(text).toBe('a warning\n');
});
