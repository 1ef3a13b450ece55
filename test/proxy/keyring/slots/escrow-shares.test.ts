/**
 * Protects: an escrow private key that is split among people. As many shares as are needed are the key, whichever they are; fewer, shares
 * of different splits, and shares that were altered are refused, and never taken for another key.
 */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { escrowCommand } from '../../../../proxy/cli/escrow.ts';
import { tenantRecover } from '../../../../proxy/cli/tenant-recover.ts';
import { TenantAdmin } from '../../../../proxy/keyring/admin/tenant-admin.ts';
import {
  generateEscrowKey,
  parseEscrowKeyFile,
  renderEscrowKeyFile,
} from '../../../../proxy/keyring/slots/escrow-key.ts';
import { isEscrowSplit, joinEscrowShares, splitEscrowKey } from '../../../../proxy/keyring/slots/escrow-shares.ts';
import { FULL_ACCESS } from '../../../helpers/proxy.ts';
import { forged, resultOf, type ShareVector } from '../../../helpers/share-vectors.ts';
import { TenancyHarness } from '../../../helpers/tenancy-harness.ts';
import { into, json } from '../../cli/harness.ts';

const CREATED = '2026-06-01T00:00:00Z';
const vectors: readonly ShareVector[] = JSON.parse(
  await readFile(new URL('../../../vectors/keyring/shares.json', import.meta.url), 'utf8'),
);

/** Every choice of `size` of them. */
function choices<T>(of: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return of.flatMap((one, at) => choices(of.slice(at + 1), size - 1).map((rest) => [one, ...rest]));
}

describe('shares', () => {
  it('are the key in every choice of enough of them, and not the key in any choice of fewer', async () => {
    for (const split of [
      { threshold: 2, shares: 2 },
      { threshold: 2, shares: 4 },
      { threshold: 3, shares: 5 },
      { threshold: 5, shares: 6 },
    ]) {
      const key = generateEscrowKey();
      const texts = await splitEscrowKey(key, split, CREATED);
      expect(texts).toHaveLength(split.shares);
      for (let size = split.threshold; size <= split.shares; size += 1) {
        for (const some of choices(texts, size)) {
          expect((await joinEscrowShares(some)).secret).toEqual(key.secret);
        }
      }
      for (const some of choices(texts, split.threshold - 1)) {
        await expect(joinEscrowShares(some)).rejects.toThrow(/shares are needed, and/);
        // Nor when it is denied that more are needed: the public key shows that what comes out is not the key.
        if (some.length >= 2) await expect(joinEscrowShares(some.map(withLess))).rejects.toThrow(/do not make/);
      }
    }
  });

  it('name the public key, and hold no byte of the private key in a row', async () => {
    const key = generateEscrowKey();
    for (const text of await splitEscrowKey(key, { threshold: 2, shares: 3 }, CREATED)) {
      expect(text).toContain(key.publicKey.toString('base64'));
      expect(text).not.toContain(key.secret.toString('base64').slice(0, 12));
      expect(() => parseEscrowKeyFile(text)).toThrow();
    }
  });

  it('that were altered, made up or mixed are refused', async () => {
    const key = generateEscrowKey();
    const [a = '', b = ''] = await splitEscrowKey(key, { threshold: 2, shares: 2 }, CREATED);
    const [other = ''] = await splitEscrowKey(generateEscrowKey(), { threshold: 2, shares: 2 }, CREATED);
    await expect(joinEscrowShares([a, forged(b)])).rejects.toThrow(/one of them is not right/);
    await expect(joinEscrowShares([a, other])).rejects.toThrow(/not of one split/);
    const line = b.split('\n').find((one) => one.startsWith('sealgate-')) ?? '';
    for (let at = 'sealgate-escrow-share-1:'.length; at < line.length; at += 7) {
      const letter = line[at] === '2' ? '3' : '2';
      const altered = line.slice(0, at) + letter + line.slice(at + 1);
      await expect(joinEscrowShares([a, altered])).rejects.toThrow(/checksum|holds no share/);
    }
    await expect(joinEscrowShares([])).rejects.toThrow(/no share/);
  });

  it('are at least two, and not more than there can be', () => {
    const given = [
      [1, 3],
      [2, 2],
      [3, 2],
      [2, 32],
      [2, 33],
      [0, 0],
    ] as const;
    expect(given.map(([threshold, shares]) => isEscrowSplit({ threshold, shares }))).toEqual([
      ...[false, true, false, true, false, false],
    ]);
  });
});

test('there are vectors of every outcome', () => {
  const kinds = vectors.map(({ result }) => (typeof result === 'string' ? result : 'opens'));
  expect([...new Set(kinds)].sort()).toEqual(['check', 'opens', 'public-key', 'set', 'share', 'threshold', 'twice']);
});

test.each(vectors)('vector: $name', async (vector) => {
  expect(await resultOf(vector)).toEqual(vector.result);
});

describe('commands', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealgate-shares-'));
  });
  afterAll(() => rm(directory, { recursive: true }));
  const escrow = (...args: readonly string[]) => into((output) => escrowCommand(args, {}, output));

  it('make shares and no private key, and a tenant is recovered with enough of them', async () => {
    const out = join(directory, 'escrow');
    const made = json(await escrow('keygen', '--out', out, '--split', '2/3', '--json'));
    expect(made).toMatchObject({ threshold: 2, files: [1, 2, 3].map((at) => `${out}.${at}`) });
    expect((await readdir(directory)).sort()).toEqual(['escrow.1', 'escrow.2', 'escrow.3']);
    for (const file of made.files) expect((await stat(file)).mode & 0o777).toBe(0o600);
    const harness = new TenancyHarness();
    const signal = new AbortController().signal;
    await harness.state.ensureBucket(signal);
    const escrowPublicKey = Buffer.from(made.publicKey, 'base64');
    const admin = new TenantAdmin({ ...harness.deps, escrowPublicKey });
    const { tenant } = await admin.create({ grants: FULL_ACCESS });
    const recover = (...shares: readonly string[]) =>
      into((output) => {
        const given = shares.flatMap((share) => ['--escrow-share', share]);
        return tenantRecover([tenant, '--bucket', '*', '--json', ...given], { ...output, deps: harness.deps });
      });
    const [one = '', two = '', three = ''] = made.files;
    expect((await recover(one)).err[0]).toMatch(/2 shares are needed, and 1 were given/);
    expect((await recover(one, one)).err[0]).toMatch(/given twice/);
    const { accessKeyId } = json(await recover(three, one));
    expect(await harness.outcome(accessKeyId)).toBe('opened');
    // Shares of another key are whole, and open nothing here.
    const foreign = join(directory, 'foreign');
    await escrow('keygen', '--out', foreign, '--split', '2/2');
    expect((await recover(`${foreign}.1`, `${foreign}.2`)).err[0]).toMatch(/sealed to another escrow key/);
    expect((await recover(one, two, '--escrow-key')).code).toBe(2);
  });

  it('split a key that is there, and refuse what is no split', async () => {
    const key = generateEscrowKey();
    const file = join(directory, 'whole.key');
    await writeFile(file, renderEscrowKeyFile(key, CREATED));
    const out = join(directory, 'parts');
    expect((await escrow('split', '--key', file, '--split', '2/2', '--out', out)).code).toBe(0);
    const texts = await Promise.all([1, 2].map((at) => readFile(`${out}.${at}`, 'utf8')));
    expect((await joinEscrowShares(texts)).secret).toEqual(key.secret);
    expect((await escrow('split', '--key', file, '--split', '2/2', '--out', out)).err[0]).toMatch(/already there/);
    for (const split of ['1/3', '3/2', '2/33', '2', '2/3/4', 'two']) {
      expect([split, (await escrow('keygen', '--out', join(directory, 'none'), '--split', split)).code]).toEqual([
        split,
        2,
      ]);
    }
    expect((await readdir(directory)).filter((name) => name.startsWith('none'))).toEqual([]);
  });
});

/** The same share, that claims to be one of two that are needed. */
function withLess(share: string): string {
  const line = share.split('\n').find((one) => one.startsWith('sealgate-')) ?? '';
  const [name, , ...rest] = line.split(':');
  const claimed = [name, '2', ...rest.slice(0, -1)].join(':');
  return forged(forged(`${claimed}:00000000\n`));
}
