// Protects: what the embedded store says it can do is what a probe finds, since nobody probes it at a start.
import { expect, test } from 'vitest';
import type { Backend } from '../../../../proxy/backend/backend.ts';
import { probeCapabilities } from '../../../../proxy/backend/probe.ts';
import { openTestStore } from './harness.ts';

test('a probe finds what it says', async () => {
  await using store = await openTestStore({ bucket: 'probed' });
  const { backend } = store;
  // One that does not say anything.
  const silent: Backend = {
    description: backend.description,
    close: () => backend.close(),
    send: (request) => backend.send(request),
  };
  const o = { bucket: 'probed', prefix: 'probe/', signal: AbortSignal.timeout(60_000) };
  expect(await probeCapabilities(silent, o)).toEqual(backend.capabilities);
  expect((await store.get({ bucket: 'probed' })).xml.children('Contents')).toEqual([]);
});

test('it is not probed: nothing is written', async () => {
  await using store = await openTestStore();
  const o = { bucket: 'not-there', prefix: 'probe/', signal: AbortSignal.timeout(60_000) };
  expect((await probeCapabilities(store.backend, o)).discardsCutBodies).toBe(true);
});
