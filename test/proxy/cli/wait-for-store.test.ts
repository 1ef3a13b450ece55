// Protects: a start beside a store that is still starting waits for it and says so once; a store that answers is not waited for.
import { expect, test } from 'vitest';
import type { Backend } from '../../../proxy/backend/backend.ts';
import { BackendUnavailable } from '../../../proxy/backend/backend.ts';
import { waitForStore } from '../../../proxy/cli/wait-for-store.ts';
import { StateStore } from '../../../proxy/keyring/state/state.ts';
import { errorReply } from '../../helpers/backend-reply.ts';

/** Answers in turn with these statuses, the last one from then on; `undefined` is no answer. */
function storage(statuses: readonly (number | undefined)[]) {
  let asked = 0;
  const backend: Backend = {
    description: 'http://store.test',
    async send(request) {
      const status = statuses[Math.min(asked++, statuses.length - 1)];
      if (status === undefined) throw new BackendUnavailable('ECONNREFUSED');
      return errorReply(request, { status, code: 'Any' });
    },
    async close() {},
  };
  return { backend, state: new StateStore({ backend, bucket: 'state', prefix: '' }), asked: () => asked };
}

async function wait(statuses: readonly (number | undefined)[], waitMs?: number) {
  const lines: unknown[] = [];
  const { asked, ...store } = storage(statuses);
  await waitForStore(store, { warn: (...line: unknown[]) => void lines.push(line) }, waitMs);
  return { asked: asked(), lines };
}

test.each([200, 403, 404])('an answer with status %i is one: nothing is said', async (status) => {
  expect(await wait([status])).toEqual({ asked: 1, lines: [] });
});

test('no answer, then 503, then one', async () => {
  const { asked, lines } = await wait([undefined, 503, 200]);
  expect(asked).toBe(3);
  const told = { backend: 'http://store.test', reason: expect.stringContaining('ECONNREFUSED') };
  expect(lines).toEqual([[told, 'waiting for the backend']]);
});

test('one that never answers is not waited for without end', async () => {
  const { asked, lines } = await wait([undefined], 2_500);
  // Less often on a busy machine.
  expect(asked).toBeGreaterThan(0);
  expect(asked).toBeLessThan(4);
  expect(lines).toHaveLength(asked > 1 ? 1 : 0);
});
