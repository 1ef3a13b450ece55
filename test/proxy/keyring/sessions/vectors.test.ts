/**
 * Protects: the stored vectors of session tokens open to the stated credentials and root keys, and the others are refused at the
 * stated step, here as in the independent reader (test/crypto/vectors.test.ts runs it).
 */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { openRoleArn, parseRoleArn, type RoleSecret } from '../../../../proxy/keyring/access-keys/role-arn.ts';
import { openRecord } from '../../../../proxy/keyring/sessions/day-records.ts';
import { dayText } from '../../../../proxy/keyring/sessions/days.ts';
import { sessionDetailsText } from '../../../../proxy/keyring/sessions/details.ts';
import { type OpenedSession, openSession, readToken } from '../../../../proxy/keyring/sessions/token.ts';
import { openSessionSlot, sessionSlotOf } from '../../../../proxy/keyring/slots/slot-types.ts';
import { verifyKeyring } from '../../../../proxy/keyring/state/records.ts';
import { vectorSealKeys } from '../../../helpers/keyring-vectors.ts';
import type { SessionVector } from '../../../helpers/session-vectors.ts';

const text = await readFile(new URL('../../../vectors/keyring/sessions.json', import.meta.url), 'utf8');
const vectors: readonly SessionVector[] = JSON.parse(text);

function sessionOf({ sealKeys, records, sessionToken }: SessionVector): OpenedSession | undefined {
  const read = readToken(sessionToken);
  if (read === undefined) return undefined;
  for (const sealKey of vectorSealKeys(sealKeys).withTag(read.tag)) {
    const record = records[`sessions/${dayText(read.day)}/${sealKey.kid}`];
    const secret = record === undefined ? undefined : openRecord(Buffer.from(record), sealKey, read.day);
    if (secret === undefined) continue;
    const { tag, kid } = sealKey;
    return openSession(read.bytes, { tag, kid, day: read.day, key: sealKey.sessionKey(secret) });
  }
  return undefined;
}

function isOf({ arn = '', sealKeys }: SessionVector, expected: RoleSecret): boolean {
  const { name = '', sealed = Buffer.alloc(0) } = parseRoleArn(arn) ?? {};
  const opened = openRoleArn(sealed, { name, sealKeys: vectorSealKeys(sealKeys) });
  return (
    opened?.slotSecret.equals(expected.slotSecret) === true &&
    opened?.slot === expected.slot &&
    opened?.tenant === expected.tenant
  );
}

async function resultOf(vector: SessionVector): Promise<SessionVector['result']> {
  const session = sessionOf(vector);
  if (session === undefined) return 'token';
  const { tenant } = JSON.parse(vector.keyring) as { tenant: string };
  if (tenant !== session.tenant) return 'tenant';
  const keyring = verifyKeyring(Buffer.from(vector.keyring), { tenant, sealKeys: vectorSealKeys(vector.sealKeys) });
  const slot = sessionSlotOf(keyring, session.slot);
  if (slot === undefined || slot.status !== 'active' || slot.sessionSerial !== session.slotSerial) return 'slot';
  const { callerSecret, details, sessionId: _id, ...said } = session;
  if (vector.arn !== undefined && !isOf(vector, { tenant, slot: slot.id, slotSecret: callerSecret })) return 'arn';
  const opened = await openSessionSlot({ tenant, slot, slotSecret: callerSecret }, new AbortController().signal);
  if ('failure' in opened) return opened.failure;
  const roots = Object.fromEntries([...opened.roots].map(([epoch, key]) => [epoch, key.export().toString('hex')]));
  return { ...said, details: sessionDetailsText(details), roots };
}

test('there are vectors of every outcome', () => {
  const kinds = vectors.map(({ result }) => (typeof result === 'string' ? result : 'opens'));
  expect([...new Set(kinds)].sort()).toEqual(['arn', 'opens', 'slot', 'tenant', 'token']);
});

test.each(vectors)('$name', async (vector) => {
  expect(await resultOf(vector)).toEqual(vector.result);
});
