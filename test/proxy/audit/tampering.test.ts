// Protects: whatever is taken out of the log, put in, exchanged or rolled back is found and named, without a secret where that is
// possible; an honest log has no finding; and what cannot be known is not called intact.
import { describe, expect, test } from 'vitest';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { AUDIT_BUCKET, AuditBench, signal } from '../../helpers/audit-bench.ts';
import {
  type BuiltLog,
  batchAt,
  buildLog,
  chainAfter,
  headerOf,
  makeSegment,
  putBatch,
  verify,
} from '../../helpers/audit-log-built.ts';
import { newSealKeys } from '../../helpers/keyring-fixture.ts';

const OTHERS = newSealKeys('theirs');
const put = ({ bench }: BuiltLog, name: string, body: Buffer) => bench.backend.overwrite(AUDIT_BUCKET, name, body);
const remove = ({ bench }: BuiltLog, name: string) => bench.backend.remove(AUDIT_BUCKET, name);
const segment = ({ bench }: BuiltLog, at: number) => bench.names('segment').at(at) ?? '';
const flipped = (body: Buffer, at: number) => {
  const copy = Buffer.from(body);
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
};

describe('an honest log', () => {
  test('is intact by a kept checkpoint, by its key, by the seal keys; and by nothing it is unauthenticated', async () => {
    const { bench, kept, chain } = await buildLog();
    const clean = {
      tampered: 0,
      incomplete: 0,
      findings: [],
      segments: 9,
      batches: 7,
      pending: 0,
      writers: 0,
      events: 10,
    };
    expect(await verify(bench, { kept: [kept] })).toMatchObject({ ...clean, authenticatedBy: 'checkpoint' });
    expect(await verify(bench, { pinned: [chain.signer] })).toMatchObject({ ...clean, authenticatedBy: 'key' });
    expect(await verify(bench, { sealKeys: bench.sealKeys })).toMatchObject({ ...clean, authenticatedBy: 'seal keys' });
    expect(await verify(bench)).toMatchObject({ ...clean, authenticatedBy: undefined });
  });

  test('contains every checkpoint that it ever had', async () => {
    const { bench } = await buildLog();
    for (const { checkpoint } of bench.checkpoints) {
      const { parseNote } = await import('../../../proxy/audit/format/signed-note.ts');
      const note = parseNote(checkpoint);
      expect(await verify(bench, { kept: note === undefined ? [] : [note] })).toMatchObject({
        authenticatedBy: 'checkpoint',
      });
    }
  });

  test('is looked at from a time on, and says which checkpoint is older', async () => {
    const { bench, kept, chain } = await buildLog();
    const since = new Date(Date.parse(batchAt(bench, 4).batch.time) - 1_000);
    const found = await verify(bench, { since, kept: [kept], pinned: [chain.signer] });
    expect(found).toMatchObject({ findings: [], batches: 3, segments: 3, authenticatedBy: 'key' });
    const { parseNote } = await import('../../../proxy/audit/format/signed-note.ts');
    const first = parseNote(bench.checkpoints[0]?.checkpoint ?? '');
    const early = await verify(bench, { since, kept: first === undefined ? [] : [first] });
    expect(early).toMatchObject({ kinds: ['checkpoint-before'], tampered: 0, incomplete: 1 });
  });

  test('that is written on is intact, and says what no checkpoint covers yet', async () => {
    const log = await buildLog();
    const writer = await log.bench.writer();
    await writer.write(log.bench.block());
    const found = await verify(log.bench, { kept: [log.kept] });
    expect(found).toMatchObject({ findings: [], pending: 1, writers: 1 });
  });

  test('that is empty is not known to be whole', async () => {
    const bench = await AuditBench.open();
    expect(await verify(bench)).toMatchObject({ kinds: ['no-checkpoint'], authenticatedBy: undefined });
  });
});

/** What is done to the log, and what is found: with a kept checkpoint alone, and with the seal keys. */
interface Case {
  readonly what: string;
  readonly tamper: (log: BuiltLog) => Promise<void> | void;
  readonly found: readonly string[];
  /** With the seal keys, where that is more or other. */
  readonly withSealKeys?: readonly string[];
}

const CASES: readonly Case[] = [
  {
    what: 'a segment deleted',
    tamper: (log) => remove(log, segment(log, 1)),
    found: ['segment-missing'],
  },
  {
    what: 'a segment changed in its content',
    tamper: (log) =>
      put(log, segment(log, 1), flipped(log.bench.body(segment(log, 1)), log.bench.body(segment(log, 1)).length - 20)),
    found: ['segment-altered'],
  },
  {
    what: 'a segment changed in its header',
    tamper: (log) => put(log, segment(log, 1), flipped(log.bench.body(segment(log, 1)), 40)),
    found: ['segment-altered'],
  },
  {
    what: 'a segment cut',
    tamper: (log) => put(log, segment(log, 1), log.bench.body(segment(log, 1)).subarray(0, -1)),
    found: ['segment-altered'],
  },
  {
    what: 'two segments exchanged',
    tamper(log) {
      const [one, two] = [segment(log, 1), segment(log, 2)];
      const body = log.bench.body(one);
      put(log, one, log.bench.body(two));
      put(log, two, body);
    },
    found: ['segment-altered'],
  },
  {
    what: 'a segment put in a second time under another name',
    tamper(log) {
      const name = segment(log, 0);
      put(log, name.replace(/-\d{10}-/, '-0000000009-'), log.bench.body(name));
    },
    found: ['segment-under-another-name', 'writer-went-on', 'segment-gap'],
  },
  {
    what: 'a segment put in a second time in another minute',
    tamper(log) {
      const name = segment(log, 0);
      put(log, name.replace(/\d{8}T\d{4}Z/, '20261127T2005Z'), log.bench.body(name));
    },
    found: ['segment-repeated', 'segment-under-another-name'],
  },
  {
    what: 'a segment forged without the audit key, long ago',
    tamper: async (log) => {
      await makeSegment(log.bench, {}, { own: true });
      await later(log);
    },
    found: ['segment-stray'],
    withSealKeys: ['segment-forged'],
  },
  {
    what: 'a segment forged without the audit key, just now',
    tamper: async (log) => void (await makeSegment(log.bench, {}, { own: true })),
    found: [],
    withSealKeys: ['segment-forged'],
  },
  {
    what: 'a segment that servers did not take, long ago',
    tamper: async (log) => {
      await makeSegment(log.bench, { final: 'yes' });
      await later(log);
    },
    found: ['segment-stray'],
    withSealKeys: ['segment-late'],
  },
  {
    what: 'a segment deleted before a batch had it',
    tamper: async (log) => {
      const writer = await log.bench.writer();
      for (let at = 0; at < 3; at += 1) await writer.write(log.bench.block());
      await writer.close(60_000);
      const own = log.bench.names('segment').filter((name) => name.includes(writer.boot));
      remove(log, own[1] ?? '');
    },
    found: ['segment-gap'],
  },
  {
    what: 'the first segment of a writer deleted before a batch had it',
    tamper: async (log) => {
      const writer = await log.bench.writer();
      for (let at = 0; at < 2; at += 1) await writer.write(log.bench.block());
      await writer.close(60_000);
      remove(log, log.bench.names('segment').find((name) => name.includes(`${writer.boot}-0000000000`)) ?? '');
    },
    found: ['segment-gap'],
  },
  {
    what: 'a segment of another chain in the place of one, by who has the audit key',
    tamper: async (log) => {
      const boot = '0123456789abcdef';
      await makeSegment(log.bench, { boot });
      await makeSegment(log.bench, { boot, seq: 1, previous: 'a'.repeat(64), total: 2, final: 'yes' });
    },
    found: ['segment-out-of-chain'],
  },
  {
    what: 'events left out of a count, by who has the audit key',
    tamper: async (log) => {
      const boot = '0123456789abcdef';
      const first = await makeSegment(log.bench, { boot });
      await makeSegment(log.bench, { boot, seq: 1, previous: first.slice(-64), total: 7, final: 'yes' });
    },
    found: ['count-wrong'],
  },
  {
    what: 'a segment after the last one of its writer',
    tamper: async (log) => {
      const last = log.bench.names('segment').filter((name) => headerOf(log.bench, name).final === 'yes')[0] ?? '';
      const { boot, seq, total } = headerOf(log.bench, last);
      await makeSegment(log.bench, { boot, seq: seq + 1, previous: last.slice(-64), total: total + 1, final: 'yes' });
    },
    found: ['writer-went-on'],
  },
  {
    what: 'a segment named by two batches',
    tamper(log) {
      putBatch(log.bench, { after: log.chain, sealKeys: log.bench.sealKeys, segments: [segment(log, 0)] });
    },
    found: ['segment-repeated'],
  },
  {
    what: 'a writer that never ended',
    tamper: async (log) => {
      const { writer, sequencer } = await log.bench.server();
      await writer.write(log.bench.block());
      await sequencer.run(signal);
      await later(log);
    },
    found: ['writer-ended'],
  },
  {
    what: 'a batch deleted',
    tamper: (log) => remove(log, batchAt(log.bench, 2).name),
    found: ['batch-missing', 'batches-replaced', 'segment-gap', 'segment-repeated'],
  },
  {
    what: 'the first batch deleted',
    tamper: (log) => remove(log, batchAt(log.bench, 0).name),
    found: ['batch-missing', 'batches-replaced', 'segment-gap', 'segment-repeated'],
  },
  {
    what: 'a batch changed',
    tamper(log) {
      const { name } = batchAt(log.bench, 2);
      const body = log.bench.body(name).toString().replace('"time":"2026', '"time":"2025');
      put(log, name, Buffer.from(body));
    },
    found: ['batch-invalid', 'batch-missing', 'batches-replaced', 'segment-gap', 'segment-repeated'],
  },
  {
    what: 'a batch in the place of another',
    tamper: (log) => put(log, batchAt(log.bench, 2).name, log.bench.body(batchAt(log.bench, 4).name)),
    found: ['batch-invalid', 'batch-missing', 'batches-replaced', 'segment-gap', 'segment-repeated'],
  },
  {
    what: 'a batch that is no batch',
    tamper: (log) => put(log, 'audit/batch/0000000007', Buffer.from('{}')),
    found: ['batch-invalid'],
  },
  {
    what: 'a batch forged without a seal key, behind the last',
    tamper: (log) => void putBatch(log.bench, { after: log.chain, sealKeys: OTHERS }),
    found: ['batch-invalid'],
  },
  {
    what: 'the last batch replaced by a forged one',
    tamper: (log) => void putBatch(log.bench, { after: chainAfter(log.bench, 5), sealKeys: OTHERS }),
    found: ['batch-invalid', 'checkpoint-beyond'],
    withSealKeys: ['batch-invalid'],
  },
  {
    what: 'a number left out before a forged batch',
    tamper: (log) => void putBatch(log.bench, { after: log.chain, sealKeys: OTHERS, n: 9 }),
    found: ['batch-invalid', 'batch-missing'],
  },
  {
    what: 'a removal after its time, forged',
    tamper(log) {
      putBatch(log.bench, { after: log.chain, sealKeys: OTHERS, prunedBefore: '20261127T2100Z' });
      for (const name of log.bench.names('segment').slice(0, 3)) remove(log, name);
    },
    found: ['batch-invalid'],
  },
  {
    what: 'a removal that is taken back',
    tamper(log) {
      const sealKeys = log.bench.sealKeys;
      const pruned = putBatch(log.bench, { after: log.chain, sealKeys, prunedBefore: '20261127T1900Z' });
      putBatch(log.bench, { after: pruned, sealKeys, prunedBefore: '20261127T1800Z' });
    },
    found: ['batch-invalid'],
  },
  {
    what: 'the checkpoint rolled back: the newest batch deleted with its segments',
    tamper(log) {
      const { name, batch } = batchAt(log.bench, 6);
      for (const one of batch.segments) remove(log, `audit/segment/${one}`);
      remove(log, name);
    },
    found: ['checkpoint-beyond'],
    withSealKeys: [],
  },
  {
    what: 'the log written anew from the middle, by who has the seal keys',
    tamper(log) {
      const sealKeys = log.bench.sealKeys;
      const cut = chainAfter(log.bench, 5);
      for (const one of batchAt(log.bench, 6).batch.segments) remove(log, `audit/segment/${one}`);
      const again = putBatch(log.bench, { after: cut, sealKeys, segments: [segment(log, 0)] });
      putBatch(log.bench, { after: again, sealKeys, segments: [segment(log, 1)] });
    },
    found: ['checkpoint-contradicted', 'segment-repeated'],
    withSealKeys: ['segment-repeated'],
  },
  {
    what: 'a name that is no segment',
    tamper: (log) => put(log, 'audit/segment/20261127T2000Z/x', Buffer.from('x')),
    found: ['foreign-name'],
  },
  {
    what: 'a name that is no batch',
    tamper: (log) => put(log, 'audit/batch/7', Buffer.from('x')),
    found: ['foreign-name'],
  },
];

/** A server that goes on a day later, so that what is old is old. */
async function later(log: BuiltLog): Promise<void> {
  log.bench.time += 86_400_000;
  const { writer, sequencer } = await log.bench.server();
  await writer.write(log.bench.block());
  await writer.close(60_000);
  const chain = log.bench.checkpoints.at(-1);
  if (chain === undefined) throw new Error('there is no checkpoint');
  const own = log.bench.names('segment').filter((name) => name.includes(writer.boot));
  putBatch(log.bench, { after: chain, sealKeys: log.bench.sealKeys, segments: own });
  sequencer.noteWritten('');
}

describe('what was done to it is found:', () => {
  test.each(CASES)('$what', async ({ tamper, found, withSealKeys }) => {
    const log = await buildLog();
    await tamper(log);
    const seen = await verify(log.bench, { kept: [log.kept] });
    expect(seen.kinds).toEqual([...found].sort());
    const own = await verify(log.bench, { sealKeys: log.bench.sealKeys });
    expect(own.kinds).toEqual([...(withSealKeys ?? found)].sort());
    // Each finding names its piece.
    for (const { name, detail } of [...seen.findings, ...own.findings]) expect([name, detail]).not.toContain('');
  });
});

describe('a second version of a name is found:', () => {
  test.each(['segment', 'batch'] as const)('of a %s', async (kind) => {
    const bench = await AuditBench.open();
    bench.backend.isVersioned = true;
    const log = await buildLog(bench);
    expect((await verify(bench, { kept: [log.kept] })).findings).toEqual([]);
    const [name = ''] = bench.names(kind);
    put(log, name, bench.body(name));
    const found = await verify(bench, { kept: [log.kept] });
    expect(found.findings).toMatchObject([{ kind: 'second-version', name }]);
  });

  test('of one that was deleted meanwhile, which leaves a delete marker', async () => {
    const log = await buildLog();
    const [name = ''] = log.bench.names('batch');
    log.bench.backend.intercept = ({ query = [] }) => {
      if (!query.some(([parameter]) => parameter === 'versions')) return undefined;
      const prefix = query.find(([parameter]) => parameter === 'prefix')?.[1] ?? '';
      const marker = name.startsWith(prefix)
        ? `<DeleteMarker><Key>${name}</Key><IsLatest>false</IsLatest></DeleteMarker>`
        : '';
      return listing(`<ListVersionsResult><EncodingType>url</EncodingType>${marker}</ListVersionsResult>`);
    };
    expect((await verify(log.bench, { kept: [log.kept] })).findings).toMatchObject([{ kind: 'second-version', name }]);
  });

  test('unless the store lists none, which is said', async () => {
    const log = await buildLog();
    const { failure } = await import('../../helpers/state-backend.ts');
    log.bench.backend.intercept = ({ query = [] }) =>
      query.some(([parameter]) => parameter === 'versions') ? failure(501, 'NotImplemented') : undefined;
    expect(await verify(log.bench, { kept: [log.kept] })).toMatchObject({ versionsSeen: false, findings: [] });
  });
});

function listing(document: string) {
  const { Readable } = process.getBuiltinModule('node:stream');
  return { status: 200, headers: {}, body: Readable.from([Buffer.from(document)]) };
}

describe('a log that is not the one', () => {
  test('made whole by somebody without the seal keys: by its key, by a kept checkpoint, by the seal keys', async () => {
    const { kept, chain, bench } = await buildLog();
    const theirs = (await buildLog(await AuditBench.open(OTHERS))).bench;
    expect(await verify(theirs, { kept: [kept] })).toMatchObject({
      kinds: ['another-log'],
      authenticatedBy: undefined,
    });
    expect(await verify(theirs, { pinned: [chain.signer] })).toMatchObject({ kinds: ['signed-by-another'] });
    expect((await verify(theirs, { sealKeys: bench.sealKeys })).kinds).toContain('signed-by-another');
    // With nothing to hold against it, nothing is known.
    expect(await verify(theirs)).toMatchObject({ tampered: 0, authenticatedBy: undefined });
  });

  test('signed on by a key that was never handed over to', async () => {
    const log = await buildLog();
    putBatch(log.bench, { after: log.chain, sealKeys: OTHERS });
    expect(await verify(log.bench, { kept: [log.kept] })).toMatchObject({ kinds: ['batch-invalid'] });
  });
});

test('a seal key that took over is followed, by the key before and by its own', async () => {
  const log = await buildLog();
  const [old] = log.bench.sealKeys.all;
  const [next] = newSealKeys('two').all;
  if (old === undefined || next === undefined) throw new Error('there are two seal keys');
  const both = new SealKeys([next, old]);
  await log.bench.sequencer(both).run(signal, { handOver: true });
  log.bench.time += 60_000;
  const { writer } = await log.bench.server();
  await writer.write(log.bench.block());
  await writer.close(60_000);
  log.bench.time += 300_000;
  // Who has the new one alone signs on; who has the old one alone may not contradict.
  await log.bench.sequencer(both).run(signal);
  const newest = chainAfter(log.bench, log.bench.names('batch').length - 1);
  for (const pinned of [[log.chain.signer], [newest.signer]]) {
    expect(await verify(log.bench, { pinned })).toMatchObject({ findings: [], authenticatedBy: 'key' });
  }
  expect(newest.signer.publicKey.equals(log.chain.signer.publicKey)).toBe(false);
  const outdated = log.bench.sequencer(new SealKeys([old]));
  await (await log.bench.writer((name) => outdated.noteWritten(name))).write(log.bench.block());
  await expect(outdated.run(signal)).rejects.toThrow(/not configured/);
  expect(await verify(log.bench, { pinned: [log.chain.signer] })).toMatchObject({ tampered: 0 });
});
