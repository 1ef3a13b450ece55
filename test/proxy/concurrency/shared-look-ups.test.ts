// Protects: a version that two listings look up at once is asked for once; one listing that is given up costs the other nothing.
import { expect, it } from 'vitest';
import { SharedLookUps } from '../../../proxy/concurrency/shared-look-ups.ts';

function counted() {
  const shared = new SharedLookUps<number>();
  const gates: PromiseWithResolvers<number>[] = [];
  const lookUp = (signal: AbortSignal) => {
    const gate = Promise.withResolvers<number>();
    gates.push(gate);
    signal.addEventListener('abort', () => gate.reject(signal.reason));
    return gate.promise;
  };
  return {
    gates,
    run: (name: string, { signal } = new AbortController()) => shared.run(name, signal, () => lookUp(signal)),
  };
}

it('is made once for all who ask meanwhile, and anew afterwards', async () => {
  const { gates, run } = counted();
  const answers = [run('a'), run('b'), run('a')];
  gates[0]?.resolve(1);
  gates[1]?.resolve(2);
  expect(await Promise.all(answers)).toEqual([1, 2, 1]);
  const later = run('a');
  gates[2]?.resolve(3);
  expect(await later).toBe(3);
  expect(gates).toHaveLength(3);
});

it('fails for all who ask meanwhile, and not afterwards', async () => {
  const { gates, run } = counted();
  const answers = [run('a'), run('a')];
  gates[0]?.reject(new Error('no'));
  expect((await Promise.allSettled(answers)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  const later = run('a');
  gates[1]?.resolve(1);
  expect(await later).toBe(1);
});

it('is made anew, once, for those who are left when the first one is given up', async () => {
  const { gates, run } = counted();
  const [first, second] = [new AbortController(), new AbortController()];
  const answers = [run('a', first), run('a', second), run('a'), run('a')];
  const settled = Promise.allSettled(answers);
  second.abort(new Error('the second went away'));
  first.abort(new Error('the first went away'));
  while (gates.length < 2) await new Promise((resolve) => setImmediate(resolve));
  gates[1]?.resolve(7);
  expect(
    (await settled).map((result) => (result.status === 'fulfilled' ? result.value : result.reason.message)),
  ).toEqual(['the first went away', 'the second went away', 7, 7]);
  expect(gates).toHaveLength(2);
});
