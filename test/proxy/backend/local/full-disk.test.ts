// Protects: a disk without room refuses writes, names ENOSPC, leaves nothing half written, and lets reads go on; a store that is
// nearly full starts. The disk is a small tmpfs, where the machine lets one be mounted.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Backend } from '../../../../proxy/backend/backend.ts';
import { openLocalBackend } from '../../../../proxy/backend/local/local.ts';
import { probeCapabilities } from '../../../../proxy/backend/probe.ts';
import { explainStoreFailure } from '../../../../proxy/backend/trouble/explain-store-failure.ts';
import { openTestStore, pattern, send } from './harness.ts';

const MiB = 2 ** 20;
const directory = mkdtempSync(join(tmpdir(), 'sealgate-full-'));
const isMounted = mount();
afterAll(() => {
  if (isMounted) run('umount', directory);
  rmSync(directory, { recursive: true });
});

function run(program: 'mount' | 'umount', ...options: readonly string[]): void {
  execFileSync(program, options, { stdio: 'ignore' });
}

function mount(): boolean {
  try {
    run('mount', '-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', directory);
    return true;
  } catch {
    return false;
  }
}

const probe = (backend: Backend) =>
  probeCapabilities(backend, { bucket: 'full', prefix: 'probe/', signal: AbortSignal.timeout(60_000) });

test('the probe of the embedded store moves a few KiB', async () => {
  await using store = await openTestStore({ bucket: 'full' });
  let moved = 0;
  const counting: Backend = {
    ...store.backend,
    description: store.backend.description,
    close: () => store.backend.close(),
    send(request) {
      moved += request.body?.length ?? 0;
      return store.backend.send(request);
    },
  };
  expect((await probe(counting)).equalParts).toBe(false);
  expect(moved).toBeGreaterThan(0);
  expect(moved).toBeLessThan(64 * 1024);
});

describe.skipIf(!isMounted)('on a disk of 6 MiB', () => {
  const filler = join(directory, 'filler');
  const free = (): number => {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  };

  test('a write beyond it fails as a full store and leaves nothing; reads go on; it starts again with 2 MiB left', async () => {
    const at = join(directory, 'store');
    let backend = await openLocalBackend({ directory: at });
    await send(backend, 'PUT', { bucket: 'full' });
    await send(backend, 'PUT', { bucket: 'full', key: 'small', body: pattern(100_000) });
    const before = free();
    const failure = await send(backend, 'PUT', { bucket: 'full', key: 'big', body: pattern(8 * MiB) }).catch((e) => e);
    expect(explainStoreFailure(failure)).toMatchObject({ kind: 'full', what: expect.stringContaining('ENOSPC') });
    expect(free()).toBeGreaterThan(before - 64 * 1024);
    expect((await send(backend, 'HEAD', { bucket: 'full', key: 'big' })).status).toBe(404);

    writeFileSync(filler, Buffer.alloc(free() - 2 * MiB));
    await backend.close();
    backend = await openLocalBackend({ directory: at });
    expect((await probe(backend)).discardsCutBodies).toBe(true);
    expect((await send(backend, 'GET', { bucket: 'full', key: 'small' })).bytes).toEqual(pattern(100_000));
    expect((await send(backend, 'DELETE', { bucket: 'full', key: 'small' })).status).toBe(204);
    expect((await send(backend, 'HEAD', { bucket: 'full', key: 'small' })).status).toBe(404);
    await backend.close();
  });
});
