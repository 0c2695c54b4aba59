import type { Content } from './vendor-file.ts';
import type { Exchange, Fault } from './vendor-server.ts';

/** For the first `count` requests of a URL; then the server behaves. */
export function times(count: number, fault: Fault): Fault {
  return (exchange) => (exchange.count <= count ? fault(exchange) : exchange.send());
}

/** The connection ends before the file's byte `at`. */
export function cutAt(at: number): Fault {
  return ({ send }) => send({ until: at, ending: 'cut' });
}

/** The connection ends at every `step` bytes of the file. */
export function cutEvery(step: number): Fault {
  return ({ send, request }) => {
    const start = Number(/\d+/.exec(request.headers.range ?? '')?.[0] ?? 0);
    return send({ until: (Math.floor(start / step) + 1) * step, ending: 'cut' });
  };
}

/** Nothing comes from the file's byte `at` on, and the connection stays. */
export function stallAt(at: number): Fault {
  return ({ send }) => send({ until: at, ending: 'stall' });
}

/** Every size that is said is wrong by so much. */
export function lieBy(bytes: number): Fault {
  return ({ send }) => send({ lie: bytes });
}

/** Right headers, another file's bytes. */
export function sendInstead(content: Content, etag?: string): Fault {
  return ({ send }) => send({ content, etag });
}

/** Ends the first request at byte `at`, and has another file under this URL from then on. */
export function changeAt(at: number, next: Content): Fault {
  return ({ send, count }) => (count === 1 ? send({ until: at, ending: 'cut' }) : send({ content: next }));
}

export const withoutRanges: Fault = ({ send }) => send({ ranges: false });
export const withoutValidators: Fault = ({ send }) => send({ etag: null });
export const withoutLength: Fault = ({ send }) => send({ ranges: false, sized: false });

export function status(code: number, headers: Readonly<Record<string, string>> = {}): Fault {
  return ({ response }) => void response.writeHead(code, headers).end(`${code}\n`);
}

/** As hotels and companies do. */
export const loginPage: Fault = ({ send }) =>
  send({ content: Buffer.from('<!DOCTYPE html><html><title>Sign in</title></html>'), type: 'text/html' });

export const redirectLoop: Fault = ({ response, url }) => void response.writeHead(302, { location: url }).end();

export function redirectTo(url: string): Fault {
  return ({ response }: Exchange) => void response.writeHead(302, { location: url }).end();
}
