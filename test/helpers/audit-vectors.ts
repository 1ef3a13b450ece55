/**
 * Makes test/vectors/keyring/audit.json: run with Node from the repository's root. The values are random, as those of
 * keyring-vectors.ts; only a change of the format is a reason to make others.
 */
import { writeFile } from 'node:fs/promises';
import { parseNote } from '../../proxy/audit/format/signed-note.ts';
import { SealKeys } from '../../proxy/keyring/access-keys/seal-keys.ts';
import { AUDIT_BUCKET, AuditBench, signal } from './audit-bench.ts';
import { vectorSealKeys } from './keyring-vectors.ts';

export interface AuditVector {
  readonly name: string;
  readonly sealKeys: readonly { readonly kid: string; readonly key: string }[];
  /** Base64 by name. */
  readonly records: Readonly<Record<string, string>>;
  /** What comes out, or the step that refuses. */
  readonly result: { readonly events: readonly string[]; readonly size: number; readonly root: string } | string;
}

const ONE = { kid: 'vector-1', key: '11'.repeat(32) } as const;
const TWO = { kid: 'vector-2', key: '22'.repeat(32) } as const;

export async function makeAuditVectors(): Promise<readonly AuditVector[]> {
  const bench = await AuditBench.open(vectorSealKeys([ONE]));
  const { writer, sequencer } = await bench.server();
  for (const events of [2, 3]) {
    await writer.write(bench.block({ events }));
    await sequencer.run(signal);
    bench.time += 60_000;
  }
  // Another seal key takes over, and the key of the audit stays under the first.
  const both = new SealKeys([...vectorSealKeys([TWO]).all, ...vectorSealKeys([ONE]).all]);
  await bench.sequencer(both).run(signal, { handOver: true });
  await writer.close(60_000);
  bench.time += 600_000;
  await bench.sequencer(both).run(signal);
  const names = bench.backend.keys(AUDIT_BUCKET).filter((name) => name.startsWith('audit/'));
  const records = Object.fromEntries(names.map((name) => [name, bench.body(name).toString('base64')]));
  const newest = parseNote(bench.checkpoints.at(-1)?.checkpoint ?? '')?.checkpoint;
  const result = { events: await bench.ids(), size: newest?.size ?? 0, root: newest?.root.toString('base64') ?? '' };
  const whole = { name: 'a log with two signers', sealKeys: [TWO, ONE], records, result };
  const [segment = ''] = bench.names('segment');
  const batch = bench.names('batch')[1] ?? '';
  const altered = (name: string, step: string, record: string, change: (body: Buffer) => Buffer): AuditVector => {
    const body = change(Buffer.from(records[record] ?? '', 'base64')).toString('base64');
    return { ...whole, name, records: { ...records, [record]: body }, result: step };
  };
  const flip = (at: number) => (body: Buffer) => {
    const copy = Buffer.from(body);
    copy.writeUInt8(copy.readUInt8(at < 0 ? copy.length + at : at) ^ 1, at < 0 ? copy.length + at : at);
    return copy;
  };
  const text = (from: string, to: string) => (body: Buffer) => Buffer.from(body.toString().replace(from, to));
  const { [segment]: _segment, ...withoutSegment } = records;
  const { [batch]: _batch, ...withoutBatch } = records;
  return [
    whole,
    altered('a segment with another byte', 'segment', segment, flip(-20)),
    altered('a segment with another header', 'segment', segment, flip(60)),
    altered('a segment that is cut', 'segment', segment, (body) => body.subarray(0, -1)),
    { ...whole, name: 'a segment that is gone', records: withoutSegment, result: 'segment' },
    { ...whole, name: 'a batch that is gone', records: withoutBatch, result: 'batch' },
    altered('a batch of another time', 'note', batch, text('"time":"2026', '"time":"2025')),
    altered('a batch that continues another', 'chain', batch, text('"previous":"', '"previous":"0')),
    altered('a batch that names another segment', 'root', batch, text('"segments":["2026', '"segments":["2025')),
    {
      ...whole,
      name: 'a log under other seal keys',
      sealKeys: [{ kid: 'vector-1', key: '33'.repeat(32) }],
      result: 'signer',
    },
    {
      ...whole,
      name: 'a log whose audit key is under another seal key',
      sealKeys: [{ kid: 'other', key: ONE.key }],
      result: 'audit-key',
    },
  ];
}

if (import.meta.main) {
  const file = new URL('../vectors/keyring/audit.json', import.meta.url);
  await writeFile(file, `${JSON.stringify(await makeAuditVectors(), null, 1)}\n`);
}
