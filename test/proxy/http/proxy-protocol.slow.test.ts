/**
 * Protects: with SEALGATE_PROXY_PROTOCOL=required a connection is served when it begins with a PROXY header of version 2, and only
 * then; the address in it is the one that the log, events and policies see; and no header takes memory or time without end.
 */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { MAX_PROXY_HEADER_BYTES } from '../../../proxy/address-limits.ts';
import { readTlsPair } from '../../../proxy/config/tls-pair.ts';
import { BadProxyHeader, parseProxyHeader, proxyHeaderLength } from '../../../proxy/http/proxy-header.ts';
import { makeCertificate } from '../../e2e/support/certificate.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { proxyHeader, tlv } from '../../helpers/proxy-header.ts';
import { codeOf, headText, RawConnection, type RawRequest, signHeaders } from '../../helpers/raw-client.ts';

const CLIENT = '198.51.100.7';
const directory = mkdtempSync(join(tmpdir(), 'sealgate-edge-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** As a receiver of single bytes sees it. */
function parsed(header: Buffer) {
  for (let at = 0; at <= header.length; at++)
    expect(proxyHeaderLength(header.subarray(0, at))).toBeGreaterThanOrEqual(at);
  expect(proxyHeaderLength(header)).toBe(header.length);
  return parseProxyHeader(header);
}

describe('a header', () => {
  test.each([
    ['IPv4', proxyHeader(CLIENT), CLIENT],
    ['IPv6', proxyHeader('2001:db8::7'), '2001:db8::7'],
    ['IPv4 in IPv6', proxyHeader('::ffff:c633:6407'), CLIENT],
    ['an unspecified protocol', proxyHeader(CLIENT, { protocol: 0 }), CLIENT],
    ['TLVs behind the addresses', proxyHeader(CLIENT, { tlvs: tlv(0x05, Buffer.alloc(128, 1)) }), CLIENT],
    ['TLVs that are cut', proxyHeader(CLIENT, { tlvs: Buffer.from([0x20, 0xff]) }), CLIENT],
    [
      'AF_UNSPEC: nobody knows whose',
      proxyHeader(CLIENT, { family: 0, protocol: 0, addresses: Buffer.alloc(0) }),
      undefined,
    ],
    ['AF_UNSPEC with something behind', proxyHeader(CLIENT, { family: 0, protocol: 0 }), undefined],
    ['AF_UNIX: no address', proxyHeader(CLIENT, { family: 3, addresses: Buffer.alloc(216, 0x2f) }), undefined],
    ['as long as it may be', proxyHeader(CLIENT, { tlvs: Buffer.alloc(MAX_PROXY_HEADER_BYTES - 28) }), CLIENT],
  ])('%s', (_, header, address) => {
    expect(parsed(header)).toEqual({ kind: 'client', address });
  });

  test.each([
    ['LOCAL', proxyHeader(CLIENT, { command: 0 })],
    [
      'LOCAL without addresses',
      proxyHeader(CLIENT, { command: 0, family: 0, protocol: 0, addresses: Buffer.alloc(0) }),
    ],
    ['LOCAL of an unknown family', proxyHeader(CLIENT, { command: 0, family: 9 })],
  ])('%s is of the balancer itself', (_, header) => {
    expect(parsed(header)).toEqual({ kind: 'local' });
  });

  test.each([
    ['an unknown command', proxyHeader(CLIENT, { command: 2 })],
    ['another version', proxyHeader(CLIENT, { version: 3 })],
    ['version 1 in the binary form', proxyHeader(CLIENT, { version: 1 })],
    ['an unknown family', proxyHeader(CLIENT, { family: 4 })],
    ['datagrams', proxyHeader(CLIENT, { protocol: 2 })],
    ['addresses cut short', proxyHeader(CLIENT, { addresses: Buffer.alloc(11) })],
    ['IPv6 with the room of IPv4', proxyHeader(CLIENT, { family: 2 })],
    ['AF_UNIX cut short', proxyHeader(CLIENT, { family: 3, addresses: Buffer.alloc(215) })],
    ['a byte too many', proxyHeader(CLIENT, { tlvs: Buffer.alloc(MAX_PROXY_HEADER_BYTES - 27) })],
    ['the greatest length', proxyHeader(CLIENT, { length: 0xffff })],
    [
      'a signature with one byte changed',
      Buffer.from(proxyHeader(CLIENT).map((byte, at) => (at === 11 ? byte ^ 1 : byte))),
    ],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
    ['TLS', Buffer.from('160301020001', 'hex')],
    ['version 1', Buffer.from(`PROXY TCP4 ${CLIENT} 10.0.0.1 1 2\r\n`)],
  ])('with %s is refused', (_, header) => {
    expect(() => (proxyHeaderLength(header) <= header.length ? parseProxyHeader(header) : undefined)).toThrow(
      BadProxyHeader,
    );
  });
});

describe.each(['plain', 'TLS'])('a listener that wants headers, %s', (kind) => {
  let bench: Bench;
  const open: RawConnection[] = [];

  beforeAll(async () => {
    const { certificate, key } = makeCertificate(directory);
    const pair = () => readTlsPair({ cert: certificate, key }, (_, path) => readFileSync(path, 'utf8'));
    // Time enough for a machine that is busy; three of the tests wait for one of them.
    const limits = { addressMs: 3_000, headMs: 6_000, checkMs: 20 };
    const config = { proxyProtocol: true, trustedProxies: ['10.0.0.0/8'], ...(kind === 'TLS' && { tls: pair() }) };
    bench = await openBench({ config, limits, ops: true });
  });
  afterEach(async () => {
    for (const connection of open.splice(0)) connection.close();
    await expect.poll(() => bench.proxy.connections.open).toBe(0);
  });
  afterAll(() => bench.close());

  async function connection(
    o: { first?: readonly Buffer[]; plain?: boolean; from?: string } = {},
  ): Promise<RawConnection> {
    const made = await RawConnection.open(bench.proxy.endpoint, o);
    open.push(made);
    return made;
  }

  function request(headers: RawRequest['headers'] = []): Buffer {
    const asked = { method: 'GET', path: `/${bench.bucket}`, headers } as const;
    const signed = signHeaders(asked, bench.tenant, new URL(bench.proxy.endpoint).host);
    return headText({ ...asked, target: asked.path, headers: signed });
  }

  const lines = () => bench.proxy.log.filter(({ msg }) => msg === 'request');
  const refusals = () => bench.events('proxy-header-refused');

  async function clientOf(first: readonly Buffer[], headers?: RawRequest['headers']): Promise<unknown> {
    const before = lines().length;
    const made = await connection({ first });
    made.write(request(headers));
    await made.until(/<\/ListBucketResult>/);
    await expect.poll(() => lines().length).toBe(before + 1);
    return lines().at(-1)?.['client'];
  }

  test('the header names the client', async () => {
    expect(await clientOf([proxyHeader(CLIENT)])).toBe(CLIENT);
    expect(await clientOf([proxyHeader('2001:db8::7')])).toBe('2001:db8::7');
  });

  test('single bytes make a header, too', async () => {
    const header = proxyHeader(CLIENT, { tlvs: tlv(0x02, Buffer.from('s3.example.com')) });
    expect(await clientOf([...header].map((byte) => Buffer.from([byte])))).toBe(CLIENT);
  });

  test('LOCAL is the address of the connection, AF_UNSPEC none', async () => {
    expect(await clientOf([proxyHeader(CLIENT, { command: 0 })])).toBe('127.0.0.1');
    expect(await clientOf([proxyHeader(CLIENT, { family: 0, protocol: 0 })])).toBeUndefined();
  });

  test('X-Forwarded-For counts when the header names a trusted forwarder', async () => {
    const forwarded = [['x-forwarded-for', '127.0.0.1, 198.51.100.9']] as const;
    expect(await clientOf([proxyHeader('10.0.0.5')], forwarded)).toBe('198.51.100.9');
    expect(await clientOf([proxyHeader(CLIENT)], forwarded)).toBe(CLIENT);
  });

  test('several requests on one connection have its address, and so has an event', async () => {
    const made = await connection({ first: [proxyHeader(CLIENT)] });
    const before = lines().length;
    for (let i = 1; i <= 3; i++) {
      made.write(request());
      await made.until(new RegExp(`(</ListBucketResult>.*){${i}}`, 's'));
    }
    made.write(headText({ method: 'GET', target: '/', headers: [['host', 'x']] }));
    await made.until(/<Code>AccessDenied/);
    await expect.poll(() => lines().length).toBe(before + 4);
    expect(
      lines()
        .slice(before)
        .map(({ client }) => client),
    ).toEqual(Array(4).fill(CLIENT));
    expect(bench.events('signature-refused').at(-1)).toMatchObject({ sourceIPAddress: CLIENT });
    expect(bench.proxy.decisions.at(-1)).toMatchObject({ sourceIPAddress: CLIENT });
  });

  test('a request right behind the header, in the same bytes, is served', async () => {
    if (kind === 'TLS') return;
    const made = await connection({ first: [Buffer.concat([proxyHeader(CLIENT), request(), request()])] });
    await made.until(/<\/ListBucketResult>.*<\/ListBucketResult>/s);
  });

  test('half a head right behind the header is told that it took too long', async () => {
    if (kind === 'TLS') return;
    const made = await connection({ first: [Buffer.concat([proxyHeader(CLIENT), request().subarray(0, 40)])] });
    expect(codeOf(await made.ended())).toBe('RequestTimeout');
  });

  test.each([
    // Each from another address: one address has one event a minute.
    ['no header', '127.0.0.11', () => request()],
    [
      'a header of version 1',
      '127.0.0.12',
      () => Buffer.concat([Buffer.from(`PROXY TCP4 ${CLIENT} 10.0.0.1 1 2\r\n`), request()]),
    ],
    ['garbage', '127.0.0.13', () => Buffer.alloc(100_000, 0xaa)],
    [
      'a header of an unknown command',
      '127.0.0.14',
      () => Buffer.concat([proxyHeader(CLIENT, { command: 7 }), request()]),
    ],
    ['a header that is too long', '127.0.0.15', () => proxyHeader(CLIENT, { length: 0xffff })],
    ['half a header, and then nothing', '127.0.0.16', () => proxyHeader(CLIENT).subarray(0, 20)],
  ])('%s: the connection is closed without a word, and one event says so', async (_, from, bytes) => {
    const before = { refusals: refusals().length, lines: lines().length };
    const made = await connection({ plain: true, from });
    made.write(bytes());
    expect(await made.ended()).toBe('');
    await expect.poll(() => refusals().length).toBe(before.refusals + 1);
    expect(refusals().at(-1)).toMatchObject({
      sourceIPAddress: from,
      msg: expect.stringContaining('PROXY header'),
    });
    await expect.poll(() => bench.proxy.connections.open).toBe(0);
    expect([refusals().length, lines().length]).toEqual([before.refusals + 1, before.lines]);
  });

  test('a flood of them is one event for each address, and every connection is counted', async () => {
    const counted = async () => {
      const metrics = await (await fetch(`${bench.proxy.opsEndpoint}/metrics`)).text();
      return Number(/^sealgate_proxy_header_refused_total (\d+)$/m.exec(metrics)?.[1]);
    };
    const before = { refusals: refusals().length, counted: await counted() };
    for (let i = 0; i < 40; i++) {
      const made = await connection({ plain: true, from: i % 2 === 0 ? '127.0.0.21' : '127.0.0.22' });
      made.write('GET / HTTP/1.1\r\n\r\n');
      await made.ended();
    }
    await expect.poll(counted).toBe(before.counted + 40);
    const events = refusals().slice(before.refusals);
    expect(events.map(({ sourceIPAddress }) => sourceIPAddress)).toEqual(['127.0.0.21', '127.0.0.22']);
  });

  test('a connection that only tries the port leaves no event', async () => {
    const before = refusals().length;
    const { hostname, port } = new URL(bench.proxy.endpoint);
    const quick = connect({ host: hostname, port: Number(port) });
    await once(quick, 'connect');
    quick.end();
    await once(quick, 'close');
    const silent = await connection({ plain: true });
    expect(await silent.ended()).toBe('');
    expect(refusals().length).toBe(before);
  });

  test('a second header is no request', async () => {
    const made = await connection({ first: [proxyHeader(CLIENT)] });
    made.write(Buffer.concat([proxyHeader('198.51.100.9'), request()]));
    expect(codeOf(await made.ended())).toBe('InvalidRequest');
  });
});

test("the operator's port takes no header, and its probes need none", async () => {
  const bench = await openBench({ config: { proxyProtocol: true }, ops: true });
  const { opsEndpoint = '' } = bench.proxy;
  for (const path of ['/healthz', '/readyz', '/metrics']) {
    expect([path, (await fetch(opsEndpoint + path)).status]).toEqual([path, 200]);
  }
  await bench.close();
});

test('without the setting a header is no request', async () => {
  const bench = await openBench();
  const made = await RawConnection.open(bench.proxy.endpoint);
  made.write(proxyHeader(CLIENT));
  expect(codeOf(await made.ended())).toBe('InvalidRequest');
  made.close();
  await bench.close();
});
