/** An honest log for tests that tamper with one: two servers, seven batches, both ended; and how it is verified. */
import { createSecretKey, randomBytes } from 'node:crypto';
import { currentAuditKey } from '../../proxy/audit/audit-keys.ts';
import { type Batch, type Chain, checkBatch, makeBatch, parseBatch } from '../../proxy/audit/format/batch.ts';
import { minuteOf, parseSegment, type SegmentHeader, sealSegment } from '../../proxy/audit/format/segment.ts';
import { parseNote, type SignedNote, type Verifier } from '../../proxy/audit/format/signed-note.ts';
import { Signers, signerOf } from '../../proxy/audit/signers.ts';
import type { Finding } from '../../proxy/audit/verify/findings.ts';
import { type Verification, verifyLog } from '../../proxy/audit/verify/verify-log.ts';
import type { SealKeys } from '../../proxy/keyring/access-keys/seal-keys.ts';
import { AUDIT_BUCKET, AuditBench, signal } from './audit-bench.ts';

export interface BuiltLog {
  readonly bench: AuditBench;
  /** Newest checkpoint. */
  readonly kept: SignedNote;
  readonly chain: Chain;
}

export async function buildLog(bench?: AuditBench): Promise<BuiltLog> {
  const log = bench ?? (await AuditBench.open());
  const [a, b] = [await log.server(), await log.server()];
  for (const events of [3, 2]) {
    await a.writer.write(log.block({ events }));
    log.time += 1_000;
    await a.writer.write(log.block());
    await b.writer.write(log.block());
    await a.sequencer.run(signal);
    await b.sequencer.run(signal);
    log.time += 60_000;
  }
  await a.writer.write(log.block());
  await a.sequencer.run(signal);
  for (const server of [a, b]) {
    await server.writer.close(60_000);
    await server.sequencer.run(signal);
  }
  log.time += 60_000;
  const chain = log.checkpoints.at(-1);
  const kept = chain && parseNote(chain.checkpoint);
  if (chain === undefined || kept === undefined) throw new Error('there is no checkpoint');
  return { bench: log, kept, chain };
}

export interface Verified extends Verification {
  readonly findings: readonly Finding[];
  /** Kinds of findings, each once, sorted. */
  readonly kinds: readonly string[];
}

export async function verify(
  bench: AuditBench,
  o: { kept?: readonly SignedNote[]; pinned?: readonly Verifier[]; sealKeys?: SealKeys; since?: Date } = {},
): Promise<Verified> {
  const findings: Finding[] = [];
  const { kept = [], pinned = [], sealKeys, since } = o;
  const signers = sealKeys && new Signers(sealKeys);
  const found = await verifyLog(
    {
      store: bench.store,
      reader: sealKeys && bench.reader(sealKeys),
      isOurs: signers && ((signer) => signers.find(signer) !== undefined),
      kept,
      pinned,
      since,
      now: bench.now(),
      onFinding: (finding) => void findings.push(finding),
    },
    signal,
  );
  return { ...found, findings, kinds: [...new Set(findings.map(({ kind }) => kind))].sort() };
}

export function batchAt(bench: AuditBench, n: number): { readonly name: string; readonly batch: Batch } {
  const name = bench.names('batch')[n] ?? '';
  const batch = parseBatch(bench.body(name));
  if (batch === undefined) throw new Error(`batch ${n} is none`);
  return { name, batch };
}

/** What a batch continues: the chain after batch `n`. */
export function chainAfter(bench: AuditBench, n: number): Chain {
  let chain: Chain | undefined;
  for (let at = 0; at <= n; at += 1) {
    const found = checkBatch(bench.body(batchAt(bench, at).name), { n: at, chain, isTrusted: () => true });
    if ('problem' in found) throw new Error(found.problem);
    chain = found.chain;
  }
  if (chain === undefined) throw new Error('there is no batch');
  return chain;
}

/** A segment that somebody makes who has the audit key, or with a key of their own. */
export async function makeSegment(
  bench: AuditBench,
  header: Partial<SegmentHeader>,
  o: { own?: boolean } = {},
): Promise<string> {
  const real = await currentAuditKey({ state: bench.store, sealKeys: bench.sealKeys }, signal);
  const block = bench.block();
  const { name, body } = sealSegment(
    {
      boot: randomBytes(8).toString('hex'),
      ...{ events: 1, total: 1, final: 'no', first: block.first, last: block.last, key: real.id },
      ...{ minute: minuteOf(bench.now()), previous: '', seq: 0 },
      ...header,
    },
    block.packed,
    o.own === true ? createSecretKey(randomBytes(32)) : real.key,
  );
  bench.backend.overwrite(AUDIT_BUCKET, name, body);
  return name;
}

/** The next batch by whoever has these seal keys. */
export function putBatch(
  bench: AuditBench,
  o: { after: Chain; sealKeys: SealKeys; segments?: readonly string[]; prunedBefore?: string; n?: number },
): Chain {
  const { after, sealKeys, segments = [], prunedBefore = after.prunedBefore, n = after.n + 1 } = o;
  const key = signerOf(sealKeys.active).key;
  const { origin } = after;
  const made = makeBatch(after, { n, origin, time: bench.now(), segments, skipped: [], prunedBefore, key });
  bench.backend.overwrite(AUDIT_BUCKET, `audit/batch/${String(n).padStart(10, '0')}`, made.body);
  return made.chain;
}

export function headerOf(bench: AuditBench, name: string): SegmentHeader {
  const header = parseSegment(bench.body(name))?.header;
  if (header === undefined) throw new Error(`${name} is no segment`);
  return header;
}
