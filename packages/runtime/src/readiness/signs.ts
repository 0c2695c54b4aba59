/** What has been seen of the guest since it last booted. */
export interface Signs {
  /** The agent answered a ping, or the first port answered. */
  readonly answered: boolean;
  /** cloud-init runs there: its console line, or its files through the agent. */
  readonly cloudInitSeen: boolean;
  readonly cloudInitEnded: boolean;
}

export const noSigns: Signs = { answered: false, cloudInitSeen: false, cloudInitEnded: false };

export function stateOf(signs: Signs): 'booting' | 'network' | 'cloud-init' | 'ready' {
  if (signs.answered) return signs.cloudInitEnded || !signs.cloudInitSeen ? 'ready' : 'cloud-init';
  return signs.cloudInitSeen ? 'network' : 'booting';
}

/** Signs in a line of the console: cloud-init's own first and last words (cloud-init, cmd/main.py and cc_final_message.py). */
export function consoleSigns(line: string): Partial<Signs> {
  if (/Cloud-init v\. \S+ finished at /.test(line)) return { cloudInitSeen: true, cloudInitEnded: true };
  if (/Cloud-init v\. \S+ running /.test(line)) return { cloudInitSeen: true };
  return {};
}

/** Cuts a stream of console bytes into lines; a line longer than a screenful is cut there. Gives back what has no end yet. */
export function makeLineReader(onLine: (line: string) => void): (bytes: Uint8Array) => string {
  const decoder = new TextDecoder('utf-8', { fatal: false });
  let rest = '';
  return (bytes) => {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r?\n|\r/);
    rest = (lines.pop() ?? '').slice(-4096);
    for (const line of lines) onLine(line);
    return rest;
  };
}
