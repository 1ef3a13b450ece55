/**
 * Protects: escrowed root keys open with the one private key and nothing else: no wrap of another tenant, epoch or key, none
 * that was altered, no degenerate encapsulation. The library is checked against RFC 9180's published vector; that the bytes
 * are what FORMAT.md says, an independent reader shows (test/vectors).
 */
import { createSecretKey, randomBytes } from 'node:crypto';
import { AEAD_AES_128_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from 'hpke';
import { beforeAll, describe, expect, test } from 'vitest';
import { newTenantId } from '../../../../proxy/keyring/ids.ts';
import {
  type EscrowPrivateKey,
  generateEscrowKey,
  InvalidEscrowKey,
  parseEscrowKeyFile,
  parseEscrowPublicKey,
  renderEscrowKeyFile,
} from '../../../../proxy/keyring/slots/escrow-key.ts';
import { type EscrowSlot, escrowSlot } from '../../../../proxy/keyring/slots/escrow-slot.ts';
import type { RootKeys } from '../../../../proxy/keyring/slots/slot-type.ts';

const NOW = new Date('2026-01-02T03:04:05Z');
const tenant = newTenantId();
const id = '0123abcd';
const key = generateEscrowKey();
const newRoots = (...epochs: readonly number[]): RootKeys =>
  new Map(epochs.map((epoch) => [epoch, createSecretKey(randomBytes(32))]));
const roots = newRoots(1, 2, 7);

const seal = (o: { to?: EscrowPrivateKey; of?: string; roots?: RootKeys } = {}) =>
  escrowSlot.seal({
    id,
    publicKey: (o.to ?? key).publicKey,
    tenant: o.of ?? tenant,
    roots: o.roots ?? roots,
    now: NOW,
  });

/** Public keys of small order, little-endian (RFC 7748; the list of curve25519's small subgroup, canonical and not). */
const LOW_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map((hex) => Buffer.from(hex, 'hex'));

let escrow: EscrowSlot;
let again: EscrowSlot;
let ofStranger: EscrowSlot;
beforeAll(async () => {
  [escrow, again, ofStranger] = [
    await seal(),
    await seal(),
    await seal({ of: newTenantId(), roots: newRoots(1, 2, 7) }),
  ];
});

const withWrap = (index: number, change: Partial<EscrowSlot['wraps'][number]>): EscrowSlot => ({
  ...escrow,
  wraps: escrow.wraps.map((wrap, at) => (at === index ? { ...wrap, ...change } : wrap)),
});
const wrapOf = (of: EscrowSlot, index: number) => {
  const wrap = of.wraps[index];
  if (wrap === undefined) throw new Error('There is no such wrap.');
  return wrap;
};
const flipped = (base64: string, at: number) => {
  const bytes = Buffer.from(base64, 'base64');
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return bytes.toString('base64');
};

test('the private key opens every epoch to its root key', async () => {
  const opened = await escrowSlot.open({ slot: escrow, tenant, key });
  if (!('roots' in opened)) throw new Error(opened.failure);
  expect([...opened.roots.keys()]).toEqual([1, 2, 7]);
  for (const [epoch, root] of roots) expect(opened.roots.get(epoch)?.equals(root)).toBe(true);
});

test('no encapsulation occurs twice: each wrap has a key of its own', () => {
  const seen = [...escrow.wraps, ...again.wraps].map(({ enc }) => enc);
  expect(seen).toHaveLength(6);
  expect(new Set(seen).size).toBe(6);
});

const TAMPERED: Readonly<Record<string, () => EscrowSlot>> = {
  'another tenant': () => ofStranger,
  "one wrap of another tenant's": () => withWrap(0, wrapOf(ofStranger, 0)),
  'the wraps of two epochs exchanged': () => withWrap(0, { ...wrapOf(escrow, 1), epoch: wrapOf(escrow, 0).epoch }),
  'an epoch renumbered': () => withWrap(2, { epoch: 8 }),
  'an encapsulation of another sealing': () => withWrap(0, { enc: wrapOf(again, 0).enc }),
  'an encapsulation cut short': () => withWrap(0, { enc: wrapOf(escrow, 0).enc.slice(0, 40) }),
  'an empty encapsulation': () => withWrap(0, { enc: '' }),
  'a sealed key cut short': () => withWrap(0, { wrapped: wrapOf(escrow, 0).wrapped.slice(0, 60) }),
  'a tag cut to four bytes': () =>
    withWrap(0, { wrapped: Buffer.from(wrapOf(escrow, 0).wrapped, 'base64').subarray(0, 36).toString('base64') }),
  'another creation time': () => ({ ...escrow, created: '2026-01-02T03:04:06Z' }),
  'another id': () => ({ ...escrow, id: '0123abce' }),
  'the last of several wraps damaged': () => withWrap(2, { wrapped: flipped(wrapOf(escrow, 2).wrapped, 0) }),
  ...Object.fromEntries(
    LOW_ORDER.map((point) => [
      `an encapsulation of low order: ${point.toString('hex', 0, 4)}...`,
      () => withWrap(0, { enc: point.toString('base64') }),
    ]),
  ),
};

describe('does not open', () => {
  test.each(Object.entries(TAMPERED))('%s', async (_name, make) => {
    expect(await escrowSlot.open({ slot: make(), tenant, key })).toEqual({ failure: 'damaged' });
  });

  test('with any byte of an encapsulation or of a sealed key changed', async () => {
    let cases = 0;
    for (const [member, bytes] of [
      ['enc', 32],
      ['wrapped', 48],
    ] as const) {
      for (let at = 0; at < bytes; at++) {
        // The highest bit of a public key is ignored (RFC 7748, section 5), yet the KEM hashes the key as it was sent.
        const changed = withWrap(1, { [member]: flipped(wrapOf(escrow, 1)[member], at) });
        expect(await escrowSlot.open({ slot: changed, tenant, key })).toEqual({ failure: 'damaged' });
        cases += 1;
      }
    }
    expect(cases).toBe(80);
  });

  test('under another tenant', async () => {
    expect(await escrowSlot.open({ slot: escrow, tenant: newTenantId(), key })).toEqual({ failure: 'damaged' });
  });

  test('with another private key, whatever public key the member names', async () => {
    const other = generateEscrowKey();
    expect(await escrowSlot.open({ slot: escrow, tenant, key: other })).toEqual({ failure: 'wrong-key' });
    const renamed = { ...escrow, publicKey: other.publicKey.toString('base64') };
    expect(await escrowSlot.open({ slot: renamed, tenant, key: other })).toEqual({ failure: 'damaged' });
    expect(await escrowSlot.open({ slot: renamed, tenant, key })).toEqual({ failure: 'wrong-key' });
  });
});

describe('key pairs', () => {
  test('a key file gives back its key, and names the public one', () => {
    const text = renderEscrowKeyFile(key, '2026-01-02T03:04:05Z');
    expect(parseEscrowKeyFile(text)).toEqual(key);
    expect(parseEscrowKeyFile(text.replaceAll('\n', '\r\n'))).toEqual(key);
    expect(text).toContain(`# public key: ${key.publicKey.toString('base64')}`);
    expect(parseEscrowPublicKey(`${key.publicKey.toString('base64')}\n`)).toEqual(key.publicKey);
  });

  const line = renderEscrowKeyFile(key, '').split('\n').at(-2) ?? '';
  const REFUSED = [
    '',
    '# nothing\n',
    line.slice(0, -2),
    `${line}\n${line}`,
    line.replace('key-1:', 'key-2:'),
    `x${line}`,
  ];
  test.each(REFUSED)('a file is refused that does not hold exactly one key: case %#', (text) => {
    expect(() => parseEscrowKeyFile(text)).toThrow(InvalidEscrowKey);
  });

  test('a refusal does not show the key', () => {
    const secret = key.secret.toString('base64');
    expect.assertions(2);
    try {
      parseEscrowKeyFile(`${line}A`);
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidEscrowKey);
      expect(String(error)).not.toContain(secret.slice(0, 12));
    }
  });

  test.each(LOW_ORDER.map((point) => point.toString('base64')))('a public key of low order is refused: %s', (text) => {
    expect(() => parseEscrowPublicKey(text)).toThrow(/low order/);
  });

  test.each(['', 'AAAA', randomBytes(31).toString('base64'), randomBytes(32).toString('hex')])(
    'a public key is 32 bytes in base64: case %#',
    (text) => expect(() => parseEscrowPublicKey(text)).toThrow(InvalidEscrowKey),
  );
});

// RFC 9180, appendix A.1.1, sequence number 0: the same KEM and KDF; AES-256-GCM is checked by the independent reader.
test("the library opens RFC 9180's vector", async () => {
  const suite = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_128_GCM);
  const hex = (text: string) => Buffer.from(text, 'hex');
  const pair = {
    privateKey: await suite.DeserializePrivateKey(
      hex('4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8'),
      false,
    ),
    publicKey: await suite.DeserializePublicKey(
      hex('3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d'),
    ),
  };
  const opened = await suite.Open(
    pair,
    hex('37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431'),
    hex('f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a'),
    { info: hex('4f6465206f6e2061204772656369616e2055726e'), aad: hex('436f756e742d30') },
  );
  expect(Buffer.from(opened).toString()).toBe('Beauty is truth, truth beauty');
});
