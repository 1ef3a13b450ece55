// Protects: over https the store's certificate is checked, against the given authority only, and bodies stream as over http.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BackendUnavailable } from '../../../../proxy/backend/backend.ts';
import { readBody } from '../../../../proxy/backend/read-body.ts';
import { expectSlowly, never, openTestBackend, streamOf } from './open.ts';

const OPENSSL = 'openssl';
const LARGE = randomBytes(8 << 20);

/** A key and a certificate for 127.0.0.1, made for this run; `undefined` without openssl. */
function selfSigned(): { key: string; cert: string } | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-tls-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const subject = ['-subj', '/CN=sealgate test', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  try {
    execFileSync(OPENSSL, ['req', ...kind, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } catch {
    console.log('openssl is not installed: TLS towards the backend is not tested');
    return undefined;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const pair = selfSigned();

describe.skipIf(pair === undefined)('https', () => {
  let server: Server;
  let endpoint: URL;
  let bytes = 0;

  beforeAll(async () => {
    server = createServer({ ...pair }, (request, response) => {
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      request.on('end', () => response.end(request.method === 'GET' ? LARGE : request.headers.host));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    endpoint = new URL(`https://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`);
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  test('with the right authority, bodies stream over kept connections', async () => {
    const backend = openTestBackend(endpoint, { tls: { ca: pair?.cert ?? '' } });
    const pieces = [Buffer.alloc(1_000_000), Buffer.alloc(1_000_000)];
    for (let i = 1; i <= 2; i++) {
      const request = { method: 'PUT', bucket: 'data', key: 'k', body: streamOf(pieces), signal: never() } as const;
      const response = await backend.send(request);
      expect((await readBody(response, { maxBytes: 100 })).toString()).toBe(endpoint.host);
      expect(bytes).toBe(i * 2_000_000);
    }
    await backend.close();
  });

  test('a large body whose reader is slow is what the store sent, in whatever pieces it was asked for', async () => {
    const backend = openTestBackend(endpoint, { tls: { ca: pair?.cert ?? '' } });
    for (const sizes of [undefined, { first: 528_448 + 48, others: 528_448 }]) {
      const { body } = await backend.send({ method: 'GET', bucket: 'data', key: 'k', signal: never() });
      if (sizes !== undefined) body.cutInto?.(sizes);
      await expectSlowly(body, LARGE);
      body.giveBack?.();
    }
    await backend.close();
  });

  test('without it nothing is sent', async () => {
    const before = bytes;
    const backend = openTestBackend(endpoint);
    const request = { method: 'PUT', bucket: 'data', key: 'k', body: Buffer.from('x'), signal: never() } as const;
    await expect(backend.send(request)).rejects.toThrowError(BackendUnavailable);
    await expect(backend.send(request)).rejects.toThrowError(/SELF_SIGNED_CERT|DEPTH_ZERO/);
    expect(bytes).toBe(before);
    await backend.close();
  });
});
