// Protects: slow key derivations are bounded in number and in cost, and a waiting request that goes away frees its place.
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { DEFAULT_KDFS, isStronger, type Kdf, KdfRunner, kdfSchema } from '../../../../proxy/keyring/slots/kdf.ts';

const signal = new AbortController().signal;
const argon2id = DEFAULT_KDFS.argon2id;

function input(kdf: Kdf, o: Partial<Record<'secret' | 'salt' | 'tenant' | 'slot', Buffer>> = {}) {
  return {
    kdf,
    secret: Buffer.from('secret'),
    salt: Buffer.alloc(32, 1),
    tenant: Buffer.alloc(12, 2),
    slot: Buffer.alloc(4, 3),
    ...o,
  };
}

/** A runner whose slow function waits to be let go. */
function gated(o: { atOnce: number; queueLength: number }) {
  const gates: PromiseWithResolvers<Buffer>[] = [];
  const slow = () => {
    const gate = Promise.withResolvers<Buffer>();
    gates.push(gate);
    return gate.promise;
  };
  return { gates, runner: new KdfRunner({ ...o, slow }) };
}

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

describe('bounds', () => {
  it('runs two at once, queues, and refuses beyond the queue with SlowDown', async () => {
    const { gates, runner } = gated({ atOnce: 2, queueLength: 3 });
    const calls = Array.from({ length: 5 }, () => runner.derive(input(argon2id), signal));
    await expect(runner.derive(input(argon2id), signal)).rejects.toMatchObject({ code: 'SlowDown', status: 503 });
    for (let done = 0; done < 5; done += 1) {
      await turn();
      expect(gates.length).toBe(Math.min(done + 2, 5));
      gates[done]?.resolve(randomBytes(32));
    }
    expect(await Promise.all(calls)).toHaveLength(5);
    expect(runner.runs).toBe(5);
  });

  it('frees the place after a failure', async () => {
    const { gates, runner } = gated({ atOnce: 1, queueLength: 1 });
    const [failing, next] = [runner.derive(input(argon2id), signal), runner.derive(input(argon2id), signal)];
    await turn();
    gates[0]?.reject(new Error('out of memory'));
    await expect(failing).rejects.toThrow('out of memory');
    await turn();
    gates[1]?.resolve(randomBytes(32));
    await next;
    const last = runner.derive(input(argon2id), signal);
    await turn();
    gates[2]?.resolve(randomBytes(32));
    expect((await last).length).toBe(32);
  });

  it('forgets a waiting call that is aborted', async () => {
    const { gates, runner } = gated({ atOnce: 1, queueLength: 1 });
    const controller = new AbortController();
    const running = runner.derive(input(argon2id), signal);
    const waiting = runner.derive(input(argon2id), controller.signal);
    controller.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    const next = runner.derive(input(argon2id), signal);
    await turn();
    gates[0]?.resolve(randomBytes(32));
    await running;
    await turn();
    gates[1]?.resolve(randomBytes(32));
    await next;
    expect(runner.runs).toBe(2);
  });

  it('does not queue hkdf-sha256 behind slow functions', async () => {
    const { runner } = gated({ atOnce: 0, queueLength: 0 });
    expect((await runner.derive(input({ name: 'hkdf-sha256' }), signal)).length).toBe(32);
  });
});

it.each(Object.values(DEFAULT_KDFS))(
  '$name: 32 bytes, told apart by secret and salt, the same each time',
  async (kdf) => {
    const runner = new KdfRunner();
    const inputs = [
      input(kdf),
      input(kdf),
      input(kdf, { secret: Buffer.from('other') }),
      input(kdf, { salt: Buffer.alloc(32, 9) }),
    ];
    const derived = await Promise.all(inputs.map((one) => runner.derive(one, signal)));
    expect(derived.every((secret) => secret.length === 32)).toBe(true);
    expect(new Set(derived.map((secret) => secret.toString('hex'))).size).toBe(3);
    expect(derived[0]).toEqual(derived[1]);
    expect(runner.runs).toBe(4);
  },
);

const PARAMETERS: readonly (readonly [accepted: boolean, kdf: unknown])[] = [
  [true, { name: 'hkdf-sha256' }],
  [true, { name: 'argon2id', memory: 19_456, passes: 2, parallelism: 1 }],
  [true, { name: 'argon2id', memory: 262_144, passes: 10, parallelism: 4 }],
  [false, { name: 'argon2id', memory: 19_455, passes: 2, parallelism: 1 }],
  [false, { name: 'argon2id', memory: 262_145, passes: 2, parallelism: 1 }],
  [false, { name: 'argon2id', memory: 19_456, passes: 1, parallelism: 1 }],
  [false, { name: 'argon2id', memory: 19_456, passes: 11, parallelism: 1 }],
  [false, { name: 'argon2id', memory: 19_456, passes: 2, parallelism: 0 }],
  [false, { name: 'argon2id', memory: 19_456, passes: 2, parallelism: 5 }],
  [false, { name: 'argon2id', memory: 19_456.5, passes: 2, parallelism: 1 }],
  [false, { name: 'argon2id', memory: 19_456, passes: 2 }],
  [false, { name: 'argon2d', memory: 19_456, passes: 2, parallelism: 1 }],
  [true, { name: 'pbkdf2-sha256', iterations: 600_000 }],
  [false, { name: 'pbkdf2-sha256', iterations: 599_999 }],
  [false, { name: 'pbkdf2-sha256', iterations: 10_000_001 }],
  [false, { name: 'pbkdf2-sha256', iterations: '600000' }],
  [false, { name: 'hkdf-sha256', iterations: 1 }],
  [false, null],
];

it.each(PARAMETERS)('parameters accepted: %s for %j', (accepted, kdf) => {
  expect(kdfSchema.safeParse(kdf).success).toBe(accepted);
});

it('a stronger function is stronger in every respect', () => {
  const stronger: Kdf = { ...argon2id, passes: 3 };
  const { 'pbkdf2-sha256': pbkdf2, 'hkdf-sha256': hkdf } = DEFAULT_KDFS;
  const table: readonly (readonly [Kdf, Kdf, boolean])[] = [
    [stronger, argon2id, true],
    [argon2id, argon2id, false],
    [argon2id, stronger, false],
    [{ ...argon2id, memory: 65_536, passes: 2 }, stronger, false],
    [{ ...argon2id, memory: 65_536 }, argon2id, true],
    [argon2id, pbkdf2, true],
    [pbkdf2, argon2id, false],
    [{ ...pbkdf2, iterations: 700_000 }, pbkdf2, true],
    [pbkdf2, pbkdf2, false],
    [argon2id, hkdf, false],
    [hkdf, argon2id, false],
  ];
  for (const [next, old, expected] of table) expect([next, old, isStronger(next, old)]).toEqual([next, old, expected]);
  expect(table.length).toBe(11);
});
