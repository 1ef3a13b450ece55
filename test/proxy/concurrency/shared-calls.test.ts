// Protects: calls of one name share a run and its failure, and nothing of it outlives the run.
import { expect, it } from 'vitest';
import { SharedCalls, type SharedRun } from '../../../proxy/concurrency/shared-calls.ts';

const signal = new AbortController().signal;

function counted(calls: SharedCalls<number>) {
  const gates: (PromiseWithResolvers<number> & { run: SharedRun })[] = [];
  const start = (run: SharedRun) => {
    const gate = { ...Promise.withResolvers<number>(), run };
    gates.push(gate);
    return gate.promise;
  };
  return { gates, call: (name = 'a', abort = signal) => calls.run(name, abort, start) };
}

it('shares one run among callers of one name, and starts anew afterwards', async () => {
  const { gates, call } = counted(new SharedCalls());
  const [one, two, other] = [call(), call(), call('b')];
  expect(gates.length).toBe(2);
  gates[0]?.resolve(1);
  gates[1]?.resolve(2);
  expect(await Promise.all([one, two, other])).toEqual([1, 1, 2]);
  expect(gates.map((gate) => gate.run.signal.aborted)).toEqual([false, false]);
  const later = call();
  gates[2]?.resolve(3);
  expect(await later).toBe(3);
});

it('shares a failure with those waiting and nobody after', async () => {
  const { gates, call } = counted(new SharedCalls());
  const both = [call(), call()];
  gates[0]?.reject(new Error('no'));
  expect((await Promise.allSettled(both)).map((result) => result.status)).toEqual(['rejected', 'rejected']);
  expect(gates[0]?.run.signal.aborted).toBe(false);
  const later = call();
  gates[1]?.resolve(1);
  expect(await later).toBe(1);
});

it('gives later callers a new run once forgotten; the old one knows', async () => {
  const calls = new SharedCalls<number>();
  const { gates, call } = counted(calls);
  const old = call();
  calls.forget('a');
  const fresh = call();
  expect(gates.map((gate) => gate.run.isCurrent())).toEqual([false, true]);
  gates[0]?.resolve(1);
  expect(await old).toBe(1);
  expect(gates[1]?.run.isCurrent()).toBe(true);
  const joined = call();
  gates[1]?.resolve(2);
  expect(await Promise.all([fresh, joined])).toEqual([2, 2]);
  expect(gates.length).toBe(2);
});

it('does not start for a caller that has gone', async () => {
  const { gates, call } = counted(new SharedCalls());
  await expect(call('a', AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  expect(gates.length).toBe(0);
});

it('aborts the run when the last caller goes, and lets nobody join it', async () => {
  const { gates, call } = counted(new SharedCalls());
  const controllers = [new AbortController(), new AbortController()];
  const waiting = controllers.map((controller) => call('a', controller.signal));
  controllers[0]?.abort();
  await expect(waiting[0]).rejects.toThrow();
  expect(gates[0]?.run.signal.aborted).toBe(false);
  controllers[1]?.abort();
  await expect(waiting[1]).rejects.toThrow();
  expect(gates[0]?.run.signal.aborted).toBe(true);
  const fresh = call();
  expect(gates.length).toBe(2);
  gates[0]?.reject(new Error('aborted'));
  gates[1]?.resolve(7);
  expect(await fresh).toBe(7);
});
