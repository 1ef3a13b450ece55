/**
 * Protects: whatever a client does or leaves undone, its connection ends within a limit, in every state and over TLS too; what was
 * refused can no longer happen; all connections count from accept on, and a listener that is full says so.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readTlsPair, type TlsPair } from '../../../proxy/config/tls-pair.ts';
import { makeCertificate } from '../../e2e/support/certificate.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { freePort } from '../../helpers/child-server.ts';
import { codeOf, headText, objectPath, RawConnection, type RawRequest, signHeaders } from '../../helpers/raw-client.ts';
import { storedKeys } from '../../helpers/stored.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealgate-edge-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function tlsConfig(): { tls: TlsPair } {
  const { certificate, key } = makeCertificate(directory);
  return { tls: readTlsPair({ cert: certificate, key }, (_, path) => readFileSync(path, 'utf8')) };
}

describe.each(['plain', 'TLS'])('%s', (kind) => {
  const HEAD_MS = 400;
  const LINGER_MS = 300;
  let bench: Bench;
  const open: RawConnection[] = [];
  let drips: NodeJS.Timeout[] = [];

  beforeAll(async () => {
    const limits = { headMs: HEAD_MS, idleMs: 600, lingerMs: LINGER_MS, checkMs: 20, bodyWindowMs: 500 };
    bench = await openBench({ limits, ...(kind === 'TLS' && { config: tlsConfig() }) });
  });
  afterEach(async () => {
    for (const timer of drips) clearInterval(timer);
    drips = [];
    for (const connection of open.splice(0)) connection.close();
    await expect.poll(() => bench.proxy.connections.open).toBe(0);
  });
  afterAll(() => bench.close());

  async function connect(o: { plain?: boolean; allowHalfOpen?: boolean } = {}): Promise<RawConnection> {
    const connection = await RawConnection.open(bench.proxy.endpoint, o);
    open.push(connection);
    return connection;
  }

  /** Goes on sending, whatever it is told. */
  function drip(to: RawConnection, text: string): void {
    drips.push(setInterval(() => to.write(text), 50));
  }

  function signed(request: RawRequest, length: number): Buffer {
    const headers = signHeaders(request, bench.tenant, new URL(bench.proxy.endpoint).host);
    return headText({ ...request, target: request.path, headers: [...headers, ['content-length', String(length)]] });
  }

  /** Until the server has let go of all connections, though their clients have not. */
  const released = () => expect.poll(() => bench.proxy.connections.open).toBe(0);
  const requestsLogged = () => bench.proxy.log.filter(({ msg }) => msg === 'request');

  test('a connection on which nothing comes is closed without a word', async () => {
    const connection = await connect();
    expect(bench.proxy.connections.open).toBe(1);
    expect(await connection.ended()).toBe('');
    await released();
  });

  test('a head that drips gets RequestTimeout, and its connection is destroyed though it drips on', async () => {
    const connection = await connect({ allowHalfOpen: true });
    connection.write(`GET /${bench.bucket} HTTP/1.1\r\nhost: x\r\n`);
    drip(connection, 'x-drip: 1\r\n');
    const reply = await connection.ended();
    expect([reply.slice(0, 12), codeOf(reply)]).toEqual(['HTTP/1.1 400', 'RequestTimeout']);
    await released();
  });

  test('a head that stops with half a connection closed is refused and let go', async () => {
    const connection = await connect({ allowHalfOpen: true });
    connection.write(`GET /${bench.bucket} HTTP/1.1\r\nhost: x\r\n`);
    connection.socket.end();
    expect(codeOf(await connection.ended())).toBe('InvalidRequest');
    await released();
  });

  test('empty lines do not keep a connection open between requests', async () => {
    const connection = await connect({ allowHalfOpen: true });
    connection.write(signed({ method: 'GET', path: `/${bench.bucket}` }, 0));
    await connection.until(/<\/ListBucketResult>/);
    drip(connection, '\r\n');
    await connection.ended();
    await released();
  });

  test('a connection that is not used again is closed', async () => {
    const connection = await connect();
    connection.write(signed({ method: 'GET', path: `/${bench.bucket}` }, 0));
    await connection.until(/<\/ListBucketResult>/);
    expect((await connection.ended()).match(/HTTP\/1\.1 /g)).toHaveLength(1);
    await released();
  });

  test('a refused head whose rest is sent by hand does nothing', async () => {
    const path = objectPath(bench.bucket, 'refused-head');
    const body = Buffer.from('stored');
    const head = signed({ method: 'PUT', path, body }, body.length);
    const connection = await connect({ allowHalfOpen: true });
    connection.write(head.subarray(0, -8));
    expect(codeOf(await connection.ended())).toBe('RequestTimeout');
    const before = requestsLogged().length;
    connection.write(Buffer.concat([head.subarray(-8), body]));
    await released();
    expect(await storedKeys(bench.backend.inner, bench.bucket)).not.toContain('refused-head');
    expect(requestsLogged()).toHaveLength(before);
  });

  test.each([10, 3_000_000])('a body of %i bytes that stops is refused, and its rest does nothing', async (size) => {
    const path = objectPath(bench.bucket, 'refused-body');
    const body = Buffer.alloc(size, 'b');
    const connection = await connect({ allowHalfOpen: true });
    connection.write(signed({ method: 'PUT', path, body }, body.length));
    connection.write(body.subarray(0, -8));
    const reply = await connection.until(/<\/Error>/);
    expect([reply.slice(0, 12), codeOf(reply)]).toEqual(['HTTP/1.1 400', 'RequestTimeout']);
    connection.write(body.subarray(-8));
    await released();
    expect(await storedKeys(bench.backend.inner, bench.bucket)).not.toContain('refused-body');
    expect(requestsLogged().at(-1)).toMatchObject({ status: 400, code: 'RequestTimeout' });
  });

  test('a body that its sender ends too early is refused as incomplete, at once', async () => {
    const path = objectPath(bench.bucket, 'half');
    const connection = await connect({ allowHalfOpen: true });
    connection.write(signed({ method: 'PUT', path, body: Buffer.alloc(10) }, 10));
    connection.write('half');
    connection.socket.end();
    await connection.ended();
    await released();
    await expect.poll(() => requestsLogged().at(-1)).toMatchObject({ operation: 'PutObject', code: 'IncompleteBody' });
    expect(await storedKeys(bench.backend.inner, bench.bucket)).not.toContain('half');
  });

  test('what is no HTTP behind a request is refused after the reply to that request', async () => {
    const path = objectPath(bench.bucket, 'before-garbage');
    const connection = await connect();
    connection.write(signed({ method: 'PUT', path, body: 'x' }, 1));
    connection.write('xNO HTTP AT ALL\r\n\r\n');
    const replies = await connection.ended();
    expect([...replies.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(['200', '400']);
    expect(await storedKeys(bench.backend.inner, bench.bucket)).toContain('before-garbage');
    await released();
  });

  test('a refusal that its client does not read, and that drips on, is let go', async () => {
    const connection = await connect({ allowHalfOpen: true });
    connection.socket.pause();
    connection.write('NO HTTP AT ALL\r\n\r\n');
    drip(connection, 'more of it\r\n');
    await released();
  });

  test('a reply with Connection: close does not wait for its client to close', async () => {
    const connection = await connect({ allowHalfOpen: true });
    const request = { method: 'GET', path: `/${bench.bucket}`, headers: [['connection', 'close']] } as const;
    connection.write(signed(request, 0));
    expect(await connection.ended()).toMatch(/^HTTP\/1\.1 200 /);
    drip(connection, 'x');
    await released();
  });

  if (kind === 'TLS') {
    test.each([
      ['no byte', Buffer.alloc(0)],
      ['half a ClientHello', Buffer.from('16030100f8010000f40303', 'hex')],
      ['plain HTTP', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
    ])('a handshake with %s is ended, and counts until then', async (_, bytes) => {
      const connection = await connect({ plain: true, allowHalfOpen: true });
      expect(bench.proxy.connections.open).toBe(1);
      connection.write(bytes);
      await connection.ended();
      await released();
    });

    test('a handshake that its client gives up is let go', async () => {
      const connection = await connect({ plain: true });
      connection.write(Buffer.from('16030100f8010000f40303', 'hex'));
      await expect.poll(() => bench.proxy.connections.open).toBe(1);
      connection.socket.end();
      await released();
    });
  }
});

describe.each(['plain', 'TLS'])('a full listener, %s', (kind) => {
  const LIMIT = 10;
  let bench: Bench;
  const open: RawConnection[] = [];

  beforeAll(async () => {
    bench = await openBench({ limits: { maxConnections: LIMIT }, ...(kind === 'TLS' && { config: tlsConfig() }) });
  });
  afterAll(async () => {
    for (const connection of open) connection.close();
    await bench.close();
  });

  async function connect(o: { plain?: boolean } = {}): Promise<RawConnection> {
    const connection = await RawConnection.open(bench.proxy.endpoint, o);
    open.push(connection);
    return connection;
  }

  /** Asks for a listing; gives the head of the reply and what else is there. */
  async function ask(connection: RawConnection): Promise<string> {
    const request = { method: 'GET', path: `/${bench.bucket}` };
    const headers = signHeaders(request, bench.tenant, new URL(bench.proxy.endpoint).host);
    connection.write(headText({ ...request, target: request.path, headers }));
    return connection.until(/<\/(Error|ListBucketResult)>/);
  }

  const lines = () => bench.proxy.log.filter(({ msg }) => /^(all connections|connections) are /.test(String(msg)));

  test('says SlowDown to further ones, one line to the operator, and recovers', async () => {
    // Half of them never say anything: a handshake that has not begun takes a connection, too.
    for (let i = 0; i < LIMIT; i++) await connect({ plain: i < LIMIT / 2 });
    await expect.poll(() => bench.proxy.connections.isFull).toBe(true);
    for (let i = 0; i < 3; i++) {
      const excess = await connect();
      const refusal = await ask(excess);
      expect(refusal).toMatch(/^HTTP\/1\.1 503 /);
      expect([codeOf(refusal), /\r\nconnection: close\r\n/i.test(refusal)]).toEqual(['SlowDown', true]);
      await excess.ended();
    }
    expect(lines().map(({ level, connections }) => [level, connections])).toEqual([['warn', LIMIT]]);
    expect(bench.proxy.connections.refused).toBe(3);
    for (const connection of open.splice(0, 3)) connection.close();
    await expect.poll(() => bench.proxy.connections.isFull).toBe(false);
    expect(lines().map(({ level }) => level)).toEqual(['warn', 'info']);
    expect(await ask(await connect())).toMatch(/^HTTP\/1\.1 200 /);
  });
});

test('a server that stops does not wait for connections without a request', async () => {
  const bench = await openBench({ config: tlsConfig() });
  const handshake = await RawConnection.open(bench.proxy.endpoint, { plain: true, allowHalfOpen: true });
  const unused = await RawConnection.open(bench.proxy.endpoint, { allowHalfOpen: true });
  await expect.poll(() => bench.proxy.connections.open).toBe(2);
  const closed = Promise.all([handshake, unused].map(({ socket }) => once(socket, 'close')));
  await bench.close();
  for (const { socket } of [handshake, unused]) socket.end();
  await closed;
});

/** Without a turn of the loop, in which node would accept them. On a busy machine the kernel takes its time. */
function untilMade(port: number, count: number): void {
  const local = port.toString(16).toUpperCase().padStart(4, '0');
  const made = new RegExp(` [0-9A-F]+:${local} [0-9A-F]+:[0-9A-F]{4} 01 `, 'g');
  const end = performance.now() + 30_000;
  while ((readFileSync('/proc/net/tcp', 'latin1').match(made) ?? []).length < count && performance.now() < end);
}

test.runIf(existsSync('/proc/net/tcp')).each(['plain', 'TLS'])(
  'connections that come just before a server stops are served, %s',
  async (kind) => {
    const bench = await openBench({ ...(kind === 'TLS' && { config: tlsConfig() }) });
    const request = { method: 'GET', path: `/${bench.bucket}` };
    const headers = signHeaders(request, bench.tenant, new URL(bench.proxy.endpoint).host);
    // The kernel makes them at once. Node accepts them one after another, and has not begun with that when the stop comes.
    const opening = Array.from({ length: 20 }, () => RawConnection.open(bench.proxy.endpoint));
    await new Promise<void>((resolve) => process.nextTick(resolve));
    untilMade(Number(new URL(bench.proxy.endpoint).port), opening.length);
    const closed = bench.close();
    const replies = opening.map(async (opened) => {
      const connection = await opened;
      connection.write(headText({ ...request, target: request.path, headers }));
      return connection.until(/<\/(Error|ListBucketResult)>/);
    });
    for (const reply of await Promise.all(replies)) {
      expect(reply).toMatch(/^HTTP\/1\.1 200 /);
      expect(reply).toMatch(/\r\nconnection: close\r\n/i);
    }
    await closed;
  },
);

describe.each(['the listener of the first process', 'a listener of their own each'])('workers with %s', (listener) => {
  test('that are all full close what comes, and do not hand it round among them', async () => {
    const child = fileURLToPath(new URL('full-workers-child.ts', import.meta.url));
    const port = listener.startsWith('a') ? [String(await freePort())] : [];
    const { stdout } = await promisify(execFile)(process.execPath, [child, ...port], { timeout: 60_000 });
    const { excess, ended } = JSON.parse(stdout) as { excess: number; ended: number };
    // More when the workers got unequal shares.
    expect(ended).toBeGreaterThanOrEqual(excess);
  });
});
