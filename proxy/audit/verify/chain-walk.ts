/**
 * The batches from the first to the last, as anybody can follow them without a secret: each must continue the one before, and name those
 * that do not count. Where a batch was put in the place of another, the walk goes on with the next one that is signed by the same key.
 */
import { AUDIT_INVALID_BATCHES } from '../../audit-limits.ts';
import type { StateStore } from '../../keyring/state/state.ts';
import {
  BATCH_NAMES,
  type Batch,
  batchName,
  type Chain,
  checkBatch,
  checkBatchAlone,
  parseBatchName,
} from '../format/batch.ts';
import { sha256Of } from '../format/segment.ts';
import { type Verifier, verifierText } from '../format/signed-note.ts';
import type { TellFinding } from './findings.ts';

export interface WalkOptions {
  readonly store: StateStore;
  readonly tell: TellFinding;
  /** Whether a key is known to be one of this log's. */
  readonly isTrusted: (signer: Verifier) => boolean;
  /** Of the first batch to look at. */
  readonly from: number;
}

/** Batches that count, in their order, each with the chain up to it. */
export async function* walkBatches(
  o: WalkOptions,
  signal: AbortSignal,
): AsyncGenerator<{ readonly batch: Batch; readonly chain: Chain }> {
  const { store, tell } = o;
  let chain: Chain | undefined;
  let skipped: { n: number; sha256: string }[] = [];
  let expected = o.from;
  const after = o.from === 0 ? {} : { after: batchName(o.from - 1) };
  for await (const name of store.list(BATCH_NAMES, signal, after)) {
    const n = parseBatchName(name);
    if (n === undefined) {
      tell('foreign-name', name, 'no batch has such a name');
      continue;
    }
    if (n - expected > AUDIT_INVALID_BATCHES) {
      tell('batch-missing', batchName(expected), `nor is any up to ${n - 1} there, and later batches are`);
    } else for (; expected < n; expected += 1) skipped.push({ n: expected, sha256: '' });
    expected = n + 1;
    const body = (await store.get(name, signal))?.body ?? Buffer.alloc(0);
    const found = check(body, n, chain, o);
    if ('problem' in found) {
      tell('batch-invalid', name, `it does not count: ${found.problem}`);
      skipped.push({ n, sha256: sha256Of(body) });
      continue;
    }
    if (found.isReplaced)
      tell('batches-replaced', name, `it continues another batch than batch ${chain?.n} that is there`);
    compareSkipped(found.batch, skipped, tell);
    chain = found.chain;
    skipped = [];
    yield found;
  }
  for (const { n, sha256 } of skipped)
    if (sha256 === '') tell('batch-missing', batchName(n), 'later batches are there');
}

function check(body: Buffer, n: number, chain: Chain | undefined, o: WalkOptions) {
  if (chain === undefined && o.from > 0) {
    const alone = checkBatchAlone(body, { n, isTrusted: () => true });
    return 'problem' in alone ? alone : { ...alone, isReplaced: false };
  }
  // Whoever signs the first batch signs; whether that is a key of this log is for the end to say.
  const found = checkBatch(body, { n, chain, isTrusted: chain === undefined ? () => true : o.isTrusted });
  if (!('problem' in found)) return { ...found, isReplaced: false };
  const signer = chain && verifierText(chain.signer);
  const alone = checkBatchAlone(body, {
    n,
    isTrusted: (one) => signer === undefined || verifierText(one) === signer || o.isTrusted(one),
  });
  const isCut = found.problem === 'chain-broken' || found.problem === 'wrong-root';
  if (!isCut || 'problem' in alone || (chain !== undefined && alone.chain.origin !== chain.origin)) return found;
  return { ...alone, isReplaced: true };
}

/** What the servers passed over is what is there now. A number that they took for granted, and is gone, is missing. */
function compareSkipped(batch: Batch, skipped: readonly { n: number; sha256: string }[], tell: TellFinding): void {
  for (const { n, sha256 } of skipped) {
    const told = batch.skipped.find((one) => one.n === n);
    if (sha256 === '' && told?.sha256 !== '') tell('batch-missing', batchName(n), 'later batches are there');
    else if (told === undefined)
      tell('batch-missing', batchName(n), 'what is there was not there when the next batch was made');
  }
}
