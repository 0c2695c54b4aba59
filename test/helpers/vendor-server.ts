import { createServer as createPlainServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tempFolder } from './temp-folder.ts';
import { makeAuthority } from './vendor-authority.ts';
import { type Content, folderListing, type Sending, send } from './vendor-file.ts';

/** One request to a server that misbehaves: a fault answers it, mostly by `send` with something wrong in it. */
export interface Exchange {
  readonly url: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** How often this URL has been asked for since the server was last told to misbehave, this time included. */
  readonly count: number;
  /** The file, or what of it was asked for; 404 where there is none. */
  send(how?: Sending): Promise<void>;
}

/** How a server misbehaves; vendor-faults.ts has them all. */
export type Fault = (exchange: Exchange) => Promise<void> | void;

export interface VendorServerOptions {
  /** By full URL: `https://cloud.debian.org/images/SHA512SUMS`. Folders get a listing of their own, as Apache makes it. */
  readonly files: Readonly<Record<string, Content>>;
  /** Of the certificate: one that is out of date, or of an authority that nobody trusts. */
  readonly certificate?: 'good' | 'expired' | 'foreign';
}

export interface VendorServer {
  /** What a bake needs in its environment to see these hosts, and to trust them. */
  readonly env: Readonly<Record<string, string>>;
  /** Every request, in order, as it was answered. */
  readonly seen: readonly { readonly url: string; readonly range: string | undefined; readonly status: number }[];
  /** Hosts (`cloud.debian.org:443`) as the proxy was asked for them. */
  readonly tunnels: readonly string[];
  put(url: string, content: Content): void;
  remove(url: string): void;
  /** From now on, for one URL or for all of them; undefined: it behaves again. */
  misbehave(fault: Fault | undefined, url?: string): void;
  end(): Promise<void>;
}

/**
 * Vendors' servers under their own addresses: a TLS server with a certificate for every host in `files`, signed by an
 * authority of the test's own, and a proxy that leads every host to it, so that `https://cloud.debian.org/...` of a
 * definition is asked for as it stands. `http://` URLs go to a plain server beside it.
 *
 *     const server = await startVendorServer({ files: { 'https://cloud.debian.org/x/SHA512SUMS': Buffer.from(sums) } });
 *     await exec(process.execPath, [COMMAND, 'bake', 'debian:13', ...], { env: server.env });  // or ctx.env in process
 *     server.misbehave(times(2, cutAt(1000)), 'https://cloud.debian.org/x/disk.qcow2');
 *     await server.end();
 *
 * Files answer to GET and HEAD with ETag, Last-Modified, ranges, If-Range and If-None-Match. Needs openssl.
 */
export async function startVendorServer(options: VendorServerOptions): Promise<VendorServer> {
  const files = new Map(Object.entries(options.files));
  const faults = new Map<string, Fault>();
  const seen: VendorServer['seen'][number][] = [];
  const tunnels: string[] = [];
  const counts = new Map<string, number>();

  const answer = (scheme: string) => async (request: IncomingMessage, response: ServerResponse) => {
    // A proxy for plain HTTP is sent the whole URL (RFC 9112, 3.2.2).
    const url = new URL(request.url ?? '/', `${scheme}://${request.headers.host}`).href;
    counts.set(url, (counts.get(url) ?? 0) + 1);
    seen.push({
      url,
      range: request.headers.range,
      get status() {
        return response.statusCode;
      },
    });
    const content = files.get(url) ?? folderListing(url, files.keys());
    const exchange: Exchange = {
      url,
      request,
      response,
      count: counts.get(url) ?? 1,
      send: async (how = {}) => {
        if (content || how.content) await send(request, response, how.content ?? (content as Content), how);
        else response.writeHead(404).end('not here');
      },
    };
    const fault = faults.get(url) ?? faults.get('');
    await (fault ? fault(exchange) : exchange.send());
  };

  const folder = await tempFolder('vendor');
  const hosts = [...new Set([...files.keys()].map((url) => new URL(url).hostname))];
  const authority = await makeAuthority(folder, hosts, options.certificate ?? 'good');
  const secure = createTlsServer({ key: authority.key, cert: authority.certificate }, answer('https'));
  const plain = createPlainServer(answer('http'));
  const proxy = createPlainServer(answer('http'));
  const ports = { secure: await listen(secure), plain: await listen(plain) };
  const sockets = new Set<Socket>();
  proxy.on('connect', (request: IncomingMessage, client: Socket) => {
    tunnels.push(request.url ?? '');
    const server = connect(request.url?.endsWith(':443') ? ports.secure : ports.plain, '127.0.0.1');
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroySoon());
    server.once('connect', () => client.write('HTTP/1.1 200 Connection established\r\n\r\n'));
    server.pipe(client).pipe(server);
  });
  const address = `http://127.0.0.1:${await listen(proxy)}`;
  return {
    env: { http_proxy: address, https_proxy: address, no_proxy: '', SSL_CERT_FILE: authority.trusted },
    seen,
    tunnels,
    put: (url, content) => void files.set(url, content),
    remove: (url) => void files.delete(url),
    misbehave: (fault, url = '') => {
      counts.clear();
      if (fault) faults.set(url, fault);
      else faults.delete(url);
    },
    end: async () => {
      for (const server of [proxy, secure, plain]) server.close();
      for (const socket of sockets) socket.destroy();
      for (const server of [proxy, secure, plain]) server.closeAllConnections();
    },
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
