// Protects: the record of the active seal key and the reports of servers stay as test/vectors/keyring/seal-keys.json has them, which an
// independent reader (decode.py) reads too: servers of several versions share them.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { SealKeys } from '../../../../proxy/keyring/access-keys/seal-keys.ts';
import { ActiveRecordRefused, openActiveRecord } from '../../../../proxy/keyring/active-seal-key/active-record.ts';
import { openReport } from '../../../../proxy/keyring/active-seal-key/replica-record.ts';
import { newSealKeys } from '../../../helpers/keyring-fixture.ts';
import { vectorSealKeys } from '../../../helpers/keyring-vectors.ts';
import { makeSealKeyVectors, type SealKeyVector } from '../../../helpers/seal-key-vectors.ts';

const kept = JSON.parse(
  await readFile(new URL('../../../vectors/keyring/seal-keys.json', import.meta.url), 'utf8'),
) as readonly SealKeyVector[];

/** The result, or the step that refuses as an independent reader names it. */
function opened(vector: SealKeyVector): SealKeyVector['result'] {
  const body = Buffer.from(vector.body, 'base64');
  // There is no server without a seal key.
  const sealKeys = vector.sealKeys.length === 0 ? newSealKeys('none') : vectorSealKeys(vector.sealKeys);
  return vector.kind === 'active' ? openedActive(body, sealKeys) : openedReplica(body, vector.boot, sealKeys);
}

function openedActive(body: Buffer, sealKeys: SealKeys) {
  try {
    const { kid, generation, isProved: proved } = openActiveRecord(body, sealKeys);
    return { kid, generation, proved };
  } catch (error) {
    if (!(error instanceof ActiveRecordRefused)) throw error;
    if (error.missingKid !== undefined) return 'seal-key';
    return error.message.includes('malformed') ? 'form' : 'mac';
  }
}

function openedReplica(body: Buffer, boot: string, sealKeys: SealKeys) {
  const report = openReport(body, boot, sealKeys);
  if (!('signs' in report)) return report.kid === undefined ? 'report' : 'seal-key';
  const { signs, active, held, host } = report;
  return { signs, active, held: [...held].sort(), host };
}

test.each(kept)('$name', (vector) => {
  expect(opened(vector)).toEqual(vector.result);
});

test('made now they are as those that are kept, random values apart', () => {
  const made = makeSealKeyVectors();
  const plain = (vectors: readonly SealKeyVector[]) => vectors.map(({ body: _body, ...rest }) => rest);
  expect(plain(made)).toEqual(plain(kept));
  for (const vector of made) expect(opened(vector)).toEqual(vector.result);
  const records = (vectors: readonly SealKeyVector[]) => vectors.filter(({ kind }) => kind === 'active');
  expect(records(made)).toEqual(records(kept));
});
