// Protects: batches of several servers make one chain, whoever is first; nothing is signed that no server sealed; what somebody else put
// in counts for nothing, is told and named; and what servers left that were killed is taken in by others.
import { describe, expect, test } from 'vitest';
import { sha256Of } from '../../../proxy/audit/format/segment.ts';
import { pruneLimit, pruneSegments } from '../../../proxy/audit/prune.ts';
import { AUDIT_BUCKET, AuditBench, signal } from '../../helpers/audit-bench.ts';
import { batchAt, buildLog, chainAfter, makeSegment, putBatch, verify } from '../../helpers/audit-log-built.ts';
import { newSealKeys } from '../../helpers/keyring-fixture.ts';

const batched = (bench: AuditBench) => bench.names('batch').flatMap((_, n) => batchAt(bench, n).batch.segments);

test('two sequencers at once, many times: one chain, every segment in it once', async () => {
  const bench = await AuditBench.open();
  const servers = await Promise.all([1, 2, 3].map(() => bench.server()));
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(servers.map(({ writer }) => writer.write(bench.block())));
    await Promise.all(servers.map(({ sequencer }) => sequencer.run(signal)));
    bench.time += 7_000;
  }
  expect(batched(bench).toSorted()).toEqual(bench.names('segment').map((name) => name.slice('audit/segment/'.length)));
  expect(batched(bench).length).toBe(60);
  expect(await verify(bench, { sealKeys: bench.sealKeys })).toMatchObject({
    findings: [],
    batches: bench.names('batch').length,
  });
  expect(servers.reduce((sum, { sequencer }) => sum + sequencer.status.batches, 0)).toBe(bench.names('batch').length);
});

test('nothing new makes no batch', async () => {
  const bench = await AuditBench.open();
  const { sequencer, writer } = await bench.server();
  await sequencer.run(signal);
  await writer.write(bench.block());
  await sequencer.run(signal);
  await sequencer.run(signal);
  expect(bench.names('batch').length).toBe(1);
});

test('more segments than a batch holds are several batches', async () => {
  const bench = await AuditBench.open();
  const sequencer = bench.sequencer();
  for (let at = 0; at < 4_001; at += 1)
    await makeSegment(bench, { boot: at.toString(16).padStart(16, '0'), final: 'yes' });
  bench.time += 600_000;
  await sequencer.run(signal);
  expect(bench.names('batch').map((_, n) => batchAt(bench, n).batch.segments.length)).toEqual([4_000, 1]);
});

describe('segments of others', () => {
  test('are taken in when their server did not in time, and not before', async () => {
    const bench = await AuditBench.open();
    const killed = await bench.writer();
    await killed.write(bench.block());
    const { sequencer } = await bench.server();
    await sequencer.run(signal);
    expect(bench.names('batch').length).toBe(0);
    bench.time += 151_000;
    await sequencer.run(signal);
    expect(batched(bench).length).toBe(1);
  });

  test('are taken in once by a server that starts long after, and what had a batch is not taken again', async () => {
    const { bench } = await buildLog();
    const before = batched(bench);
    const killed = await bench.writer();
    await killed.write(bench.block());
    bench.time += 7 * 86_400_000;
    await bench.sequencer().run(signal);
    expect(batched(bench).slice(0, before.length)).toEqual(before);
    expect(batched(bench).length).toBe(before.length + 1);
    await bench.sequencer().run(signal);
    expect(batched(bench).length).toBe(before.length + 1);
    const found = await verify(bench, { sealKeys: bench.sealKeys });
    // Its writer never said that it ended.
    expect(found.findings).toMatchObject([{ kind: 'writer-ended', name: killed.boot }]);
  });

  test('that no server sealed are never signed, and told once', async () => {
    const bench = await AuditBench.open();
    const forged = await makeSegment(bench, {}, { own: true });
    const real = await makeSegment(bench, { final: 'yes' });
    // One that was sealed here, under the name of another.
    const moved = real.replace(/-\d{10}-/, '-0000000001-');
    bench.backend.overwrite(AUDIT_BUCKET, moved, bench.body(real));
    bench.time += 600_000;
    const sequencer = bench.sequencer();
    await sequencer.run(signal);
    await sequencer.run(signal);
    expect(batched(bench)).toEqual([real.slice('audit/segment/'.length)]);
    expect(bench.reported.map(({ kind }) => kind)).toEqual(['audit-segment-invalid', 'audit-segment-invalid']);
    expect(bench.reported.map(({ detail }) => detail).join()).toContain(forged);
    expect(sequencer.status.invalidSegments).toBe(2);
  });
});

describe('a batch that somebody else put there', () => {
  test('is passed over, told, and named in the next one', async () => {
    const { bench, chain, kept } = await buildLog();
    const { sequencer, writer } = await bench.server();
    await sequencer.run(signal);
    putBatch(bench, { after: chain, sealKeys: newSealKeys('theirs') });
    await writer.write(bench.block());
    await sequencer.run(signal);
    expect(bench.reported).toMatchObject([
      { kind: 'audit-batch-invalid', detail: expect.stringContaining('unknown-signer') },
    ]);
    expect(sequencer.status.invalidBatches).toBe(1);
    expect(batchAt(bench, 8).batch).toMatchObject({ n: 8, previous: chain.sha256, skipped: [{ n: 7 }] });
    // A server that starts now goes on behind it as well.
    bench.time += 1_000;
    const other = await bench.server();
    await other.writer.write(bench.block());
    await other.sequencer.run(signal);
    expect(batchAt(bench, 9).batch.previous).toBe(chainAfterForged(bench));
    const found = await verify(bench, { kept: [kept] });
    expect(found.findings).toMatchObject([{ kind: 'batch-invalid', name: 'audit/batch/0000000007' }]);
    expect(found.authenticatedBy).toBe('checkpoint');
  });

  test('and the newest one taken away: the server signs on from what it has seen, and says so', async () => {
    const { bench, kept } = await buildLog();
    const { sequencer, writer } = await bench.server();
    await sequencer.run(signal);
    bench.backend.remove(AUDIT_BUCKET, batchAt(bench, 6).name);
    await writer.write(bench.block());
    await sequencer.run(signal);
    expect(bench.reported).toMatchObject([{ kind: 'audit-rolled-back' }]);
    expect((await verify(bench, { kept: [kept] })).kinds).toContain('batch-missing');
  });
});

describe('objects with names that no server gives', () => {
  test.each([
    ['far beyond the last batch', 'audit/batch/9999999999'],
    ['between batches', 'audit/batch/0000000003~'],
  ])('stop nobody, neither one that runs nor one that starts: %s', async (_, name) => {
    const { bench, kept } = await buildLog();
    const running = await bench.server();
    await running.sequencer.run(signal);
    bench.backend.overwrite(AUDIT_BUCKET, name, Buffer.from('{}'));
    await running.writer.write(bench.block());
    await running.sequencer.run(AbortSignal.timeout(5_000));
    const started = await bench.server();
    await started.writer.write(bench.block());
    await started.sequencer.run(AbortSignal.timeout(5_000));
    expect([running, started].map(({ sequencer }) => sequencer.status.batches)).toEqual([1, 1]);
    expect(bench.checkpoints.at(-1)).toMatchObject({ n: 8, size: 11 });
    expect(bench.reported.length).toBeLessThan(3);
    const found = await verify(bench, { kept: [kept] });
    expect(found).toMatchObject({ batches: 9, authenticatedBy: 'checkpoint' });
    expect(found.findings.length).toBeLessThan(4);
    expect(found.findings.map((finding) => finding.name)).toContain(name);
  });
});

/** Hash of batch 8, which continues batch 6. */
function chainAfterForged(bench: AuditBench): string {
  return sha256Of(bench.body('audit/batch/0000000008'));
}

test('segments past their time go, their hashes stay, and the log is intact', async () => {
  const { bench, kept } = await buildLog();
  bench.time += 3 * 86_400_000;
  const { sequencer, writer } = await bench.server();
  await writer.write(bench.block());
  await writer.close(60_000);
  const before = pruneLimit(bench.now(), 1);
  let announced = 0;
  const beforeRemoval = async () => {
    announced += 1;
    expect(bench.names('segment').length).toBe(11);
  };
  const prune = () => pruneSegments(bench.store, { before, sequencer, beforeRemoval }, signal);
  expect(await prune()).toEqual({ removed: 9, kept: 0 });
  expect(await prune()).toEqual({ removed: 0, kept: 0 });
  expect([announced, bench.names('segment').length]).toEqual([1, 2]);
  const found = await verify(bench, { kept: [kept] });
  expect(found).toMatchObject({ findings: [], pruned: 9, segments: 2, authenticatedBy: 'checkpoint' });
  // What is gone and not past its time is missing all the same.
  bench.backend.remove(AUDIT_BUCKET, bench.names('segment')[0] ?? '');
  expect((await verify(bench, { kept: [kept] })).kinds).toEqual(['segment-missing']);
  expect(chainAfter(bench, bench.names('batch').length - 1).prunedBefore).toBe(before);
});
