// Protects: an open tenant is believed for its time and no longer; one burst costs one derivation; an
// unreachable state is a 503 and never an old answer; dropping a cache entry never touches a key in use.
import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { deriveKey } from '../../../crypto/keys.ts';
import { sealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { generateApiKey } from '../../../proxy/keyring/slots/api-key.ts';
import { DEFAULT_KDFS } from '../../../proxy/keyring/slots/kdf.ts';
import { KEYRING_TTL_SECONDS } from '../../../proxy/limits.ts';
import { CREATED, makeTenant } from '../../helpers/keyring-fixture.ts';
import { failure, reply } from '../../helpers/state-backend.ts';
import { TenancyHarness } from '../../helpers/tenancy-harness.ts';
import { revoke, openTenancy as setup } from './tenancy-setup.ts';

const probe = (key: Parameters<typeof deriveKey>[0] | undefined) =>
  key && deriveKey(key, { label: 'test', salt: Buffer.alloc(0) }).toString('hex');

const ttl = 1000 * KEYRING_TTL_SECONDS;

describe('open', () => {
  it('gives the grants, the epochs and the root keys of the tenant', async () => {
    const harness = new TenancyHarness();
    const grants = [{ bucket: 'b-1', prefix: 'p/', access: 'read-only' as const }];
    const fixture = await makeTenant({
      sealKeys: harness.sealKeys,
      slots: [{ grants }],
      epochs: [
        { created: CREATED, epoch: 1, state: 'retired' },
        { created: CREATED, epoch: 2, state: 'draining' },
        { created: CREATED, epoch: 7, state: 'current' },
      ],
    });
    harness.store(fixture.keyring);
    const [key] = fixture.keys;
    const open = await harness.open(key?.accessKeyId ?? '');
    expect(open).toMatchObject({ id: fixture.tenant, slot: key?.slot, grants, epoch: 7 });
    expect(open.idBytes.toString('hex')).toBe(fixture.tenant);
    expect([1, 2, 3, 7].map((epoch) => probe(open.root(epoch)))).toEqual(
      [1, 2, 3, 7].map((epoch) => probe(fixture.roots.get(epoch))),
    );
    expect([1, 2, 3, 7].map((epoch) => open.root(epoch) !== undefined)).toEqual([false, true, false, true]);
  });

  it('reads nothing and derives nothing to resolve an id', async () => {
    const { harness, id } = await setup();
    expect(harness.unseal(id).kind).toBe('sealed');
    const signal = new AbortController().signal;
    for (const unknown of ['AKIAIOSFODNN7EXAMPLE', 'SGRKABCDEFGHIJKLMNOP']) {
      await expect(harness.tenancy.resolve(unknown, signal)).rejects.toMatchObject({ code: 'InvalidAccessKeyId' });
    }
    expect([harness.backend.requests.length, harness.runner.runs]).toEqual([0, 0]);
  });

  it('says the same of an unknown tenant, an unknown slot, a removed one, an expired one and a wrong key', async () => {
    const { harness, fixture, id, ids } = await setup({ slots: [{}, { expires: '2026-05-31T23:59:59Z' }, {}] });
    const { sealKeys } = harness;
    harness.store(revoke(harness, fixture));
    const apiKey = generateApiKey();
    const seal = (tenant: string, slot: string) => sealAccessKeyId({ sealKeys, tenant, slot, apiKey });
    const refused = [
      id,
      ids[1] ?? '',
      seal('ab'.repeat(12), '00000000'),
      seal(fixture.tenant, '00000000'),
      seal(fixture.tenant, fixture.keys[2]?.slot ?? ''),
    ];
    const errors = await Promise.all(refused.map((one) => harness.open(one).catch((error: unknown) => error)));
    const shown = errors.map((error) => [String(error), JSON.stringify(error)].join());
    expect(new Set(shown).size).toBe(1);
    expect(errors[0]).toMatchObject({ code: 'InvalidAccessKeyId', status: 403 });
    expect(await harness.outcome(ids[2] ?? '')).toBe('opened');
  });
});

describe('one burst', () => {
  it('of 100 first requests costs one read and one derivation', async () => {
    const { harness, id } = await setup({ slots: [{ kdf: DEFAULT_KDFS.argon2id }] });
    const opens = await Promise.all(Array.from({ length: 100 }, () => harness.open(id)));
    expect(opens).toHaveLength(100);
    expect([harness.reads, harness.runner.runs]).toEqual([1, 1]);
    expect(new Set(opens.map((open) => probe(open.root(1)))).size).toBe(1);
  });

  it('of two keys of one tenant costs one read and one derivation each', async () => {
    const { harness, ids } = await setup({ slots: [{}, {}] });
    await Promise.all([...ids, ...ids, ...ids].map((id) => harness.open(id)));
    expect([harness.reads, harness.runner.runs]).toEqual([1, 2]);
  });

  it('does not let a wrong key share what a right one opened', async () => {
    const { harness, fixture, id } = await setup();
    const [key] = fixture.keys;
    const forged = sealAccessKeyId({
      sealKeys: harness.sealKeys,
      tenant: fixture.tenant,
      slot: key?.slot ?? '',
      apiKey: generateApiKey(),
    });
    const outcomes = await Promise.all([id, forged, id, forged].map((one) => harness.outcome(one)));
    expect(outcomes).toEqual(['opened', 'InvalidAccessKeyId', 'opened', 'InvalidAccessKeyId']);
    expect(await harness.outcome(forged)).toBe('InvalidAccessKeyId');
  });

  it('survives a caller that goes away, and stops the read when all have gone', async () => {
    const { harness, id } = await setup();
    const gate = Promise.withResolvers<undefined>();
    harness.backend.intercept = () => gate.promise;
    const [one, two] = [new AbortController(), new AbortController()];
    const first = harness.open(id, one.signal);
    const second = harness.open(id, two.signal);
    one.abort(new Error('left'));
    await expect(first).rejects.toThrow('left');
    expect(harness.backend.requests[0]?.signal.aborted).toBe(false);
    gate.resolve(undefined);
    expect((await second).epoch).toBe(1);

    harness.tenancy.invalidate(harness.unseal(id).tenant);
    const never = Promise.withResolvers<undefined>();
    harness.backend.intercept = () => never.promise;
    const third = harness.open(id, two.signal);
    two.abort(new Error('left too'));
    await expect(third).rejects.toThrow('left too');
    expect(harness.backend.requests[1]?.signal.aborted).toBe(true);
    never.resolve(undefined);
    harness.backend.intercept = () => undefined;
    expect(await harness.outcome(id)).toBe('opened');
  });
});

describe('time', () => {
  it('asks again by ETag after the TTL, counted from the last check and not from the last use', async () => {
    const { harness, id } = await setup();
    await harness.open(id);
    for (const [age, reads] of [
      [ttl - 1, 1],
      [ttl, 2],
    ] as const) {
      harness.time = Date.parse('2026-06-01T00:00:00Z') + age;
      await harness.open(id);
      expect([age, harness.reads]).toEqual([age, reads]);
    }
    expect(harness.backend.requests[1]?.headers?.['if-none-match']).toMatch(/^"[0-9a-f]{32}"$/);
    harness.time += ttl - 1;
    await harness.open(id);
    expect([harness.reads, harness.runner.runs]).toEqual([2, 1]);
  });

  it('counts from before the answer: a slow answer is older', async () => {
    const { harness, id } = await setup();
    harness.backend.intercept = () => {
      harness.time += ttl;
      return undefined;
    };
    await harness.open(id);
    await harness.open(id);
    expect(harness.reads).toBe(2);
  });

  it('asks again when the clock went backwards', async () => {
    const { harness, id } = await setup();
    await harness.open(id);
    harness.time -= 1;
    await harness.open(id);
    expect(harness.reads).toBe(2);
  });

  it('asks every time with a TTL of 0', async () => {
    const { harness, id } = await setup({ ttlSeconds: 0 });
    for (let count = 1; count <= 3; count += 1) {
      await harness.open(id);
      expect(harness.reads).toBe(count);
    }
    expect(harness.runner.runs).toBe(1);
  });

  it('stops a key the moment it expires, cached or not', async () => {
    const { harness, id } = await setup({ slots: [{ expires: '2026-06-01T00:00:30Z' }] });
    harness.time = Date.parse('2026-06-01T00:00:29.999Z');
    expect(await harness.outcome(id)).toBe('opened');
    harness.time += 1;
    expect(await harness.outcome(id)).toBe('InvalidAccessKeyId');
    // Read again: the operator may have given it more time.
    expect(harness.reads).toBe(2);
  });
});

describe('state that does not answer', () => {
  const broken = [
    ['refused', undefined],
    ['a 500', () => failure(500, 'InternalError')],
    ['a 403', () => failure(403, 'AccessDenied')],
    ['a 404 of the bucket', () => failure(404, 'NoSuchBucket')],
    ['a 404 without a document', () => reply(404)],
    ['a 200 without ETag', () => reply(200, '{}')],
    ['a redirect', () => reply(307)],
  ] as const;

  it.each(broken)('is a 503: %s, cold and warm, and never an old answer', async (_name, answer) => {
    const { harness, id } = await setup();
    const setBroken = (isBroken: boolean) => {
      harness.backend.isDown = isBroken && answer === undefined;
      harness.backend.intercept = () => (isBroken ? answer?.() : undefined);
    };
    setBroken(true);
    await expect(harness.open(id)).rejects.toMatchObject({ code: 'ServiceUnavailable', status: 503 });
    setBroken(false);
    await harness.open(id);
    setBroken(true);
    harness.time += ttl - 1;
    expect(await harness.outcome(id)).toBe('opened');
    harness.time += 1;
    for (let attempt = 0; attempt < 3; attempt += 1) expect(await harness.outcome(id)).toBe('ServiceUnavailable');
    setBroken(false);
    expect(await harness.outcome(id)).toBe('opened');
    expect([harness.events, harness.runner.runs]).toEqual([[], 1]);
  });

  it('is not believed when it says "unchanged" to a question without a condition', async () => {
    const { harness, id } = await setup();
    harness.backend.intercept = () => reply(304);
    expect(await harness.outcome(id)).toBe('ServiceUnavailable');
  });
});

describe('eviction', () => {
  it('leaves keys in use whole, while many tenants push each other out', async () => {
    const harness = new TenancyHarness({ cacheEntries: 1 });
    const fixtures = await Promise.all(Array.from({ length: 8 }, () => makeTenant({ sealKeys: harness.sealKeys })));
    for (const fixture of fixtures) harness.store(fixture.keyring);
    const zero = probe(createSecretKey(Buffer.alloc(32)));
    const rounds = Array.from({ length: 25 }, () => fixtures).flat();
    const held = await Promise.all(
      rounds.map(async (fixture) => ({ fixture, open: await harness.open(fixture.keys[0]?.accessKeyId ?? '') })),
    );
    for (const fixture of fixtures) harness.tenancy.invalidate(fixture.tenant);
    for (const { fixture, open } of held) {
      expect(probe(open.root(1))).toBe(probe(fixture.roots.get(1)));
      expect(probe(open.root(1))).not.toBe(zero);
    }
    expect(held).toHaveLength(200);
  });

  it('costs a read and a derivation, no more', async () => {
    const harness = new TenancyHarness({ cacheEntries: 1 });
    const [a, b] = await Promise.all([
      makeTenant({ sealKeys: harness.sealKeys }),
      makeTenant({ sealKeys: harness.sealKeys }),
    ]);
    for (const fixture of [a, b]) harness.store(fixture.keyring);
    for (const fixture of [a, b, a, a]) await harness.open(fixture.keys[0]?.accessKeyId ?? '');
    expect([harness.reads, harness.runner.runs]).toEqual([3, 3]);
  });
});
