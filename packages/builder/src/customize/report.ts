import { watch } from 'node:fs';
import { open } from 'node:fs/promises';

/** What the guest has said so far. */
export interface GuestReport {
  /** cloud-init runs there, and what is to be done has arrived. */
  began: boolean;
  /** What it is at. */
  step: string;
  /** The end of what the step has printed. */
  tail: string;
  failure: { readonly code: number; readonly what: string } | undefined;
  readonly warnings: string[];
  /** Cleaned; it turns itself off. */
  done: boolean;
}

const TAIL = 2000;

/** Reads the guest's words (see the script `customize`); `onChange` after each that is for us. */
export function makeReport(onChange: (report: GuestReport) => void, onLine: (line: string) => void) {
  const report: GuestReport = {
    began: false,
    step: 'booting',
    tail: '',
    failure: undefined,
    warnings: [],
    done: false,
  };
  const decoder = new TextDecoder();
  let rest = '';
  return {
    report,
    read(bytes: Uint8Array) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        // Whatever a script has printed without a line's end stands before it.
        const [output = '', word] = line.split('\x1e');
        if (output !== '' || word === undefined) {
          report.tail = `${report.tail}${output}\n`.slice(-TAIL);
          onLine(output);
        }
        if (word !== undefined) {
          take(report, word);
          onChange(report);
        }
      }
    },
  };
}

function take(report: GuestReport, word: string): void {
  const [, verb, text = ''] = /^(\w+) ?(.*)$/.exec(word) ?? [];
  if (verb === 'begin') report.began = true;
  if (verb === 'step') Object.assign(report, { step: text, tail: '' });
  if (verb === 'warning') report.warnings.push(text);
  if (verb === 'done') report.done = true;
  if (verb === 'failed') {
    const [, code = '1', what = ''] = /^(\d+) (.*)$/.exec(text) ?? [];
    report.failure = { code: Number(code), what };
  }
}

/** Hands on what is written to a file, as it is written; `end` reads what is left. */
export async function followFile(
  path: string,
  onBytes: (bytes: Uint8Array) => void,
): Promise<{ end(): Promise<void> }> {
  const handle = await open(path, 'r');
  const buffer = Buffer.alloc(1 << 16);
  const readOn = async () => {
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return;
      onBytes(buffer.subarray(0, bytesRead));
    }
  };
  let reading = Promise.resolve();
  const watcher = watch(path, () => {
    reading = reading.then(readOn);
  });
  return {
    end: async () => {
      watcher.close();
      await reading.then(readOn).finally(() => handle.close());
    },
  };
}
