/**
 * Protects: the stored vectors of escrow open to the stated root keys, and the others are refused at the stated step, here as
 * in the independent reader (test/crypto/vectors.test.ts runs it), whose HPKE is written from RFC 9180.
 */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import {
  generateEscrowKey,
  parseEscrowKeyFile,
  renderEscrowKeyFile,
} from '../../../../proxy/keyring/slots/escrow-key.ts';
import { escrowSlot } from '../../../../proxy/keyring/slots/escrow-slot.ts';
import { slotsOfType } from '../../../../proxy/keyring/slots/slot-types.ts';
import { currentEpoch } from '../../../../proxy/keyring/state/document.ts';
import { hasRootMac } from '../../../../proxy/keyring/state/macs.ts';
import { verifyKeyring } from '../../../../proxy/keyring/state/records.ts';
import type { EscrowVector } from '../../../helpers/escrow-vectors.ts';
import { vectorSealKeys } from '../../../helpers/keyring-vectors.ts';

const text = await readFile(new URL('../../../vectors/keyring/escrow.json', import.meta.url), 'utf8');
const vectors: readonly EscrowVector[] = JSON.parse(text);

/** From the private key alone, as a key file holds it. */
function keyOf(hex: string) {
  const secret = Buffer.from(hex, 'hex');
  return parseEscrowKeyFile(renderEscrowKeyFile({ ...generateEscrowKey(), secret }, ''));
}

async function resultOf(vector: EscrowVector): Promise<EscrowVector['result']> {
  const { tenant } = JSON.parse(vector.keyring) as { tenant: string };
  const keyring = verifyKeyring(Buffer.from(vector.keyring), { tenant, sealKeys: vectorSealKeys(vector.sealKeys) });
  const [slot] = slotsOfType(keyring, 'escrow');
  if (slot === undefined) return 'escrow';
  const opened = await escrowSlot.open({ slot, tenant, key: keyOf(vector.privateKey) });
  if ('failure' in opened) return 'escrow';
  const root = opened.roots.get(currentEpoch(keyring));
  if (root === undefined || !hasRootMac(keyring, root)) return 'root-mac';
  return Object.fromEntries([...opened.roots].map(([epoch, key]) => [epoch, key.export().toString('hex')]));
}

test('there are vectors of every outcome', () => {
  const kinds = vectors.map(({ result }) => (typeof result === 'string' ? result : 'opens'));
  expect([...new Set(kinds)].sort()).toEqual(['escrow', 'opens', 'root-mac']);
  expect(vectors.length).toBeGreaterThan(7);
});

test.each(vectors)('$name', async (vector) => {
  expect(await resultOf(vector)).toEqual(vector.result);
});
