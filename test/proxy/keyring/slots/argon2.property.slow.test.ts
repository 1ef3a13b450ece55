/** Protects: the slot secret by argon2id is what another implementation derives, for every parameter that a keyring may name. */
import argon2 from 'argon2';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KdfRunner } from '../../../../proxy/keyring/slots/kdf.ts';

const bytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));
const kdf = fc.record({
  name: fc.constant('argon2id' as const),
  memory: fc.constantFrom(19_456, 20_000, 65_536),
  passes: fc.integer({ min: 2, max: 4 }),
  parallelism: fc.integer({ min: 1, max: 4 }),
});

test('argon2id agrees with the package of that name', async () => {
  const runner = new KdfRunner();
  const ids = { tenant: Buffer.alloc(12, 1), slot: Buffer.alloc(4, 2) };
  const derivation = fc.record({ kdf, secret: bytes(1, 64), salt: bytes(32, 32) });
  await fc.assert(
    fc.asyncProperty(derivation, async (one) => {
      const { memory, passes, parallelism } = one.kdf;
      const here = await runner.derive({ ...one, ...ids }, AbortSignal.timeout(60_000));
      const there = await argon2.hash(one.secret, {
        type: argon2.argon2id,
        raw: true,
        hashLength: 32,
        salt: one.salt,
        memoryCost: memory,
        timeCost: passes,
        parallelism,
      });
      expect(here.equals(there)).toBe(true);
    }),
    { numRuns: 12 },
  );
});
