/**
 * Protects: starting and stopping. Requests under way finish after SIGTERM and nothing new is taken; workers share the load,
 * are replaced when one dies, and all stop together; a program with a missing setting does not start and says which.
 */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { createBucket } from './support/client-suite.ts';
import { digestsOf } from './support/plaintext.ts';
import { runProgram } from './support/program.ts';
import { openDownload, openUpload, send, type Target, text, writeBody } from './support/signed-stream.ts';
import { Stage } from './support/stage.ts';

describe('SIGTERM', () => {
  let stage: Stage;
  const target = (key: string): Target => ({
    endpoint: stage.endpoint,
    credentials: stage.tenant,
    bucket: stage.bucket,
    key,
  });
  beforeEach(async () => {
    stage = await Stage.open({ store: 'embedded store', transport: 'http' });
    await createBucket(stage);
  });
  afterEach(() => stage.close());

  test('an upload and a download under way finish; new connections are refused; the exit code is 0', async () => {
    const kept = stage.content(40 * MiB);
    const first = openUpload(target('kept'), kept.length);
    await writeBody(first.request, [kept]);
    first.request.end();
    expect((await first.reply).statusCode).toBe(200);

    const sent = stage.content(8 * MiB);
    const upload = openUpload(target('late'), sent.length);
    await writeBody(upload.request, [sent.subarray(0, 3 * MiB)]);
    const download = await openDownload(target('kept'));
    const pieces = download[Symbol.asyncIterator]();
    const received: Buffer[] = [(await pieces.next()).value];

    const stopped = stage.program.stop();
    await refusesConnections(target('kept'));
    await writeBody(upload.request, [sent.subarray(3 * MiB)]);
    upload.request.end();
    const reply = await upload.reply;
    expect([reply.statusCode, reply.headers['etag']]).toEqual([200, `"${digestsOf(sent).md5}"`]);
    reply.resume();
    for (let step = await pieces.next(); !step.done; step = await pieces.next()) received.push(step.value);
    expect(digestsOf(Buffer.concat(received))).toEqual(digestsOf(kept));
    expect(await stopped).toBe(0);

    await stage.restart();
    const again = await openDownload(target('late'));
    const whole: Buffer[] = [];
    for await (const piece of again) whole.push(piece);
    expect(Buffer.concat(whole).equals(sent)).toBe(true);
  });
});

/** Resolves with the first refused connection: the program stops listening before it waits for requests. None may hang. */
async function refusesConnections(target: Target): Promise<void> {
  for (;;) {
    const refused = await send(target, 'HEAD').then(
      () => false,
      (error: { code?: string }) => error.code === 'ECONNREFUSED',
    );
    if (refused) return;
  }
}

describe('workers', () => {
  test('share one listener, survive the death of one, and stop together', async () => {
    const stage = await Stage.open({
      store: 'embedded store',
      transport: 'http',
      settings: { SEALGATE_WORKERS: '2' },
    });
    try {
      await createBucket(stage);
      const target = { endpoint: stage.endpoint, credentials: stage.tenant, bucket: stage.bucket, key: '' };
      const put = async (name: string) => {
        const { request, reply } = openUpload({ ...target, key: name }, 5);
        request.end(name.padEnd(5).slice(0, 5));
        const response = await reply;
        await text(response);
        return response.statusCode;
      };
      expect(await Promise.all(Array.from({ length: 40 }, (_, index) => put(`w${index}`)))).toEqual(
        Array(40).fill(200),
      );
      const listed = await send({ ...target, query: 'list-type=2' }, 'GET');
      expect(listed.body.match(/<Key>/g)?.length).toBe(40);
      const workers = childrenOf(stage.program.pid);
      expect(workers).toHaveLength(2);
      const [victim = 0] = workers;
      process.kill(victim, 'SIGKILL');
      await expect.poll(() => childrenOf(stage.program.pid).includes(victim), { timeout: 20_000 }).toBe(false);
      await expect.poll(() => childrenOf(stage.program.pid).length, { timeout: 20_000 }).toBe(2);
      const after = Array.from({ length: 20 }, (_, index) => retried(() => put(`x${index}`)));
      expect(await Promise.all(after)).toEqual(Array(20).fill(200));
      const last = childrenOf(stage.program.pid);
      expect(await stage.program.stop()).toBe(0);
      expect(last.filter(isAlive)).toEqual([]);
    } finally {
      await stage.close();
    }
  });

  test.each([
    ['SEALGATE_LISTEN', '1'],
    ['SEALGATE_LISTEN', '2'],
    ['SEALGATE_OPS_LISTEN', '1'],
    ['SEALGATE_OPS_LISTEN', '2'],
  ])('a taken %s ends the program of %s workers, and no writer of the audit looks lost', async (name, workers) => {
    const directory = mkdtempSync(join(tmpdir(), 'sealgate-start-'));
    const other = createServer().listen(0, '127.0.0.1');
    try {
      await once(other, 'listening');
      const settings = {
        SEALGATE_BACKEND: 'local:store',
        SEALGATE_STATE: 'sealgate-state',
        SEALGATE_SEAL_KEYS: `k:${randomBytes(32).toString('base64')}`,
        SEALGATE_WORKERS: workers,
        SEALGATE_LISTEN: '127.0.0.1:0',
        SEALGATE_OPS_LISTEN: '127.0.0.1:0',
        [name]: `127.0.0.1:${(other.address() as AddressInfo).port}`,
      };
      const { code, stderr } = await runProgram(['serve'], { directory, settings });
      expect([code, stderr]).toEqual([1, expect.stringMatching(`${name}: .* is in use by another process`)]);
      const { stdout } = await runProgram(['audit', 'verify'], { directory, settings });
      expect(stdout).toMatch(/events 1\b/);
      expect(stdout).toMatch(/writers still open 0\b/);
    } finally {
      other.close();
      rmSync(directory, { recursive: true });
    }
  });

  test('that cannot start stop the program at once', async () => {
    const stage = await Stage.open({ store: 'embedded store', transport: 'http' });
    try {
      const taken = { SEALGATE_LISTEN: new URL(stage.endpoint).host, SEALGATE_OPS_LISTEN: '127.0.0.1:0' };
      const settings = { ...stage.settings, ...taken, SEALGATE_WORKERS: '2' };
      const { code, stderr } = await runProgram(['serve'], { directory: stage.directory, settings });
      expect([code, stderr]).toEqual([1, expect.stringContaining('is in use')]);
    } finally {
      await stage.close();
    }
  });
});

/** A connection that the killed worker held is reset: what every S3 client retries. */
async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
}

function childrenOf(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('settings', () => {
  const good = {
    SEALGATE_STATE: 'sealgate-state',
    SEALGATE_SEAL_KEYS: `k:${randomBytes(32).toString('base64')}`,
    SEALGATE_LISTEN: '127.0.0.1:0',
    SEALGATE_OPS_LISTEN: '127.0.0.1:0',
  };
  const cases: readonly (readonly [variable: string, settings: Record<string, string>])[] = [
    ['SEALGATE_BACKEND', good],
    ['SEALGATE_STATE', { ...good, SEALGATE_BACKEND: 'local:store', SEALGATE_STATE: '' }],
    ['SEALGATE_SEAL_KEYS', { ...good, SEALGATE_BACKEND: 'local:store', SEALGATE_SEAL_KEYS: 'k:c2hvcnQ=' }],
    ['SEALGATE_LISTEN', { ...good, SEALGATE_BACKEND: 'local:store', SEALGATE_LISTEN: 'everywhere' }],
    ['SEALGATE_LEGACY', { ...good, SEALGATE_BACKEND: 'local:store', SEALGATE_LEGACY: 'denny' }],
    ['SEALGATE_BAKEND', { ...good, SEALGATE_BACKEND: 'local:store', SEALGATE_BAKEND: 'x' }],
    [
      'SEALGATE_BACKEND_SECRET_ACCESS_KEY',
      {
        ...good,
        SEALGATE_BACKEND: 'http://127.0.0.1:9',
        SEALGATE_BACKEND_ACCESS_KEY_ID: 'x',
        SEALGATE_BACKEND_SECRET_ACCESS_KEY: 'minioadmin',
      },
    ],
  ];
  test.each(cases)('a bad %s stops the start, by name and without its value', async (variable, settings) => {
    const directory = mkdtempSync(join(tmpdir(), 'sealgate-e2e-'));
    try {
      const { code, stderr } = await runProgram(['serve'], { directory, settings });
      expect([code, stderr]).toEqual([1, expect.stringContaining(`cannot start: ${variable}`)]);
      expect(stderr).not.toMatch(/c2hvcnQ|minioadmin/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
