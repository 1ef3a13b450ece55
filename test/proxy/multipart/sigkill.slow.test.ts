/**
 * Protects uploads from a real kill -9: a server process is killed at some moment of a Complete, round after round. Whatever it
 * came to, the object is whole or absent, another server finishes it with the same list, and nothing is left.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLocalBackend } from '../../../proxy/backend/local/local.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { freePort, startChild } from '../../helpers/child-server.ts';
import { sendSigned } from '../../helpers/raw-client.ts';
import { beginUpload, MIN_PART, openUploads, outcome, uploadState } from '../../helpers/uploads.ts';

const ROUNDS = 24;
const PROGRAM = fileURLToPath(new URL('../../../bin/sealgate.js', import.meta.url));
const LARGE = randomBytes(MIN_PART);
const SMALL = randomBytes(2 * 1024 * 1024);

describe('a server killed in the middle of Complete', () => {
  let bench: Bench;
  let directory: string;
  const sealKeys = SealKeys.generate();
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealgate-kill-'));
    const backend = await openLocalBackend({ directory });
    const close = async () => {
      await backend.close();
      await rm(directory, { recursive: true, force: true });
    };
    bench = await openBench({ store: { backend, close }, sealKeys: SealKeys.parse(sealKeys) });
  });
  afterAll(() => bench.close());

  async function startServer(): Promise<{ endpoint: string; kill: () => Promise<void> }> {
    const port = await freePort();
    const endpoint = new URL(`http://127.0.0.1:${port}`);
    const child = await startChild({
      command: process.execPath,
      args: [PROGRAM, 'serve'],
      env: {
        SEALGATE_LISTEN: `127.0.0.1:${port}`,
        SEALGATE_OPS_LISTEN: `127.0.0.1:${await freePort()}`,
        SEALGATE_BACKEND: `local:${directory}`,
        SEALGATE_STATE: 'sealgate-state',
        SEALGATE_SEAL_KEYS: sealKeys,
        SEALGATE_WORKERS: '1',
      },
      endpoint,
      startMs: 60_000,
    });
    if (child === undefined) throw new Error('the server did not start');
    return { endpoint: endpoint.origin, kill: () => child.stop() };
  }

  it(`is finished by another, ${ROUNDS} times of ${ROUNDS}`, async () => {
    const body = Buffer.concat([LARGE, SMALL]);
    const found = { answered: 0, cut: 0, whole: 0, absent: 0 };
    let usual = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const server = await startServer();
      const key = `killed/${round}`;
      const upload = await beginUpload(bench, key);
      const there = upload.through((request, as = bench.tenant) => sendSigned(server.endpoint, as, request));
      const listed = [await there.put(1, LARGE), await there.put(2, SMALL)];
      const started = performance.now();
      const completing = there.complete(listed).then(
        (reply) => reply.status,
        () => 0,
      );
      // The first round is not disturbed, and tells how long it takes; the others are cut at ever later moments of that.
      if (round > 0) await new Promise((resolve) => setTimeout(resolve, (usual * 3 * round) / ROUNDS));
      else await completing;
      if (round === 0) usual = performance.now() - started;
      await server.kill();
      const status = await completing;
      found[status === 200 ? 'answered' : 'cut'] += 1;
      const got = await upload.get();
      if (got.status === 200) expect(got.body.equals(body)).toBe(true);
      else expect(outcome(got)).toBe('404 NoSuchKey');
      if (status === 200) expect(got.status).toBe(200);
      found[got.status === 200 ? 'whole' : 'absent'] += 1;
      expect(outcome(await upload.complete(listed))).toBe('200');
      expect((await upload.get()).body.equals(body)).toBe(true);
      expect([await uploadState(bench.backend), await openUploads(bench.backend, bench.bucket)]).toEqual([[], []]);
    }
    expect(found.answered + found.cut).toBe(ROUNDS);
    expect(Math.min(found.cut, found.absent, found.whole - 1)).toBeGreaterThan(0);
    console.log(`killed in the middle of Complete: ${JSON.stringify(found)}, undisturbed ${Math.round(usual)} ms`);
  });
});
