// Protects: the audit log that is in the buckets of others: what it opens to, and what refuses it, stays as test/vectors/keyring/audit.json
// has it, which an independent reader (decode.py) reads too.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { parseNote } from '../../../proxy/audit/format/signed-note.ts';
import { AUDIT_BUCKET, AuditBench } from '../../helpers/audit-bench.ts';
import { verify } from '../../helpers/audit-log-built.ts';
import { type AuditVector, makeAuditVectors } from '../../helpers/audit-vectors.ts';
import { vectorSealKeys } from '../../helpers/keyring-vectors.ts';

const kept = JSON.parse(
  await readFile(new URL('../../vectors/keyring/audit.json', import.meta.url), 'utf8'),
) as readonly AuditVector[];

/** By what each step of an independent reader shows here. */
const FINDINGS: Readonly<Record<string, RegExp>> = {
  batch: /batch-missing/,
  chain: /batch-invalid|batches-replaced/,
  note: /batch-invalid/,
  root: /batch-invalid/,
  segment: /segment-(altered|missing)/,
  signer: /signed-by-another/,
};

async function check({ sealKeys, records, result }: AuditVector): Promise<void> {
  const bench = await AuditBench.open(vectorSealKeys(sealKeys));
  bench.time = Date.parse('2026-11-27T21:00:00Z');
  for (const [name, body] of Object.entries(records)) {
    bench.backend.overwrite(AUDIT_BUCKET, name, Buffer.from(body, 'base64'));
  }
  const found = await verify(bench, { sealKeys: bench.sealKeys });
  if (typeof result !== 'string') {
    expect(found.findings).toEqual([]);
    expect(await bench.ids()).toEqual(result.events);
    const { size, root } = parseNote(found.checkpoint ?? '')?.checkpoint ?? {};
    expect([size, root?.toString('base64')]).toEqual([result.size, result.root]);
  } else if (result === 'audit-key') expect(await bench.ids()).toEqual([]);
  else expect(found.kinds.join()).toMatch(FINDINGS[result] ?? /never/);
}

test.each(kept)('$name', check);

test('made now they are as those that are kept, random values apart', async () => {
  const made = await makeAuditVectors();
  const plain = (vectors: readonly AuditVector[]) => vectors.map(({ name, result }) => [name, typeof result]);
  expect(plain(made)).toEqual(plain(kept));
  for (const vector of made) await check(vector);
});
