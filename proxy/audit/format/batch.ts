/**
 * Batches of the audit log (crypto/FORMAT.md, "Audit log"): each names the segments that its server authenticated since the one
 * before, and ends in a checkpoint over all segments so far. A batch is believed when it continues the batch before and its
 * checkpoint is signed by the key that signs now, or by one that this key handed over to.
 */
import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { utf8 } from '../../../crypto/bytes.ts';
import { frame } from '../../../crypto/keys.ts';
import { canonicalJson } from '../../keyring/state/canonical-json.ts';
import { MerkleTree } from './merkle.ts';
import { parseSegmentName, SEGMENT_NAMES, sha256Of } from './segment.ts';
import {
  isNoteBy,
  isSignedBy,
  parseNote,
  parseVerifier,
  publicKeyOf,
  signBytes,
  signCheckpoint,
  type Verifier,
  verifierOf,
  verifierText,
} from './signed-note.ts';

export const BATCH_NAMES = 'audit/batch/';
const FORMAT = 'sealgate-audit-batch/1';
const HANDOVER = 'sealgate-audit-signer/1';

const hash = z.string().regex(/^[0-9a-f]{64}$/);

const schema = z.strictObject({
  format: z.literal(FORMAT),
  /** Note of the checkpoint: everything else is hashed into it. */
  checkpoint: z.string(),
  /** The signature by which the signer before names this one; '' where it stays. */
  handover: z.string(),
  n: z.int().min(0),
  /** SHA-256 of the batch before that counts, '' for the first. */
  previous: z.union([hash, z.literal('')]),
  /** Segments before this minute may have been removed; '' for none. */
  prunedBefore: z.string().regex(/^(\d{8}T\d{4}Z)?$/),
  /** Their names without `audit/segment/`, in the order of the tree. */
  segments: z.array(z.string()),
  signer: z.string(),
  /** Numbers between the batch before and this one whose batches do not count, with their hashes: '' for one that is missing. */
  skipped: z.array(z.strictObject({ n: z.int().min(0), sha256: z.union([hash, z.literal('')]) })),
  /** Complete subtrees of the tree, the largest first. */
  subtrees: z.array(z.string().length(44)),
  time: z.string().regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/),
});

export type Batch = z.infer<typeof schema>;

/** What a batch continues. */
export interface Chain {
  readonly n: number;
  /** SHA-256 of the batch. */
  readonly sha256: string;
  readonly origin: string;
  readonly size: number;
  readonly subtrees: readonly Buffer[];
  readonly signer: Verifier;
  readonly prunedBefore: string;
  readonly time: string;
  readonly checkpoint: string;
}

export type BatchProblem =
  | 'malformed'
  | 'another-number'
  | 'another-log'
  | 'chain-broken'
  | 'wrong-root'
  | 'badly-signed'
  | 'unknown-signer'
  | 'pruning-taken-back';

export function batchName(n: number): string {
  return `${BATCH_NAMES}${String(n).padStart(10, '0')}`;
}

/** `undefined`: no batch's name. */
export function parseBatchName(name: string): number | undefined {
  const [, n] = /^audit\/batch\/(\d{10})$/.exec(name) ?? [];
  return n === undefined ? undefined : Number(n);
}

export interface NewBatch {
  readonly n: number;
  readonly origin: string;
  readonly time: Date;
  /** Full names. */
  readonly segments: readonly string[];
  readonly skipped: Batch['skipped'];
  readonly prunedBefore: string;
  readonly key: KeyObject;
  /** Key of the signer before, where another one signs now and it is at hand. */
  readonly before?: KeyObject | undefined;
}

/** The bytes of the next batch, and what they make of the chain. */
export function makeBatch(chain: Chain | undefined, o: NewBatch): { readonly body: Buffer; readonly chain: Chain } {
  const tree = new MerkleTree(chain);
  for (const name of o.segments) tree.append(leafOf(name));
  const signer = verifierOf(o.origin, publicKeyOf(o.key));
  const handover = o.before === undefined ? '' : signBytes(o.before, handoverOf(signer)).toString('base64');
  const rest = {
    format: FORMAT,
    handover,
    n: o.n,
    previous: chain?.sha256 ?? '',
    prunedBefore: o.prunedBefore,
    segments: o.segments.map((name) => name.slice(SEGMENT_NAMES.length)),
    signer: verifierText(signer),
    skipped: o.skipped.map(({ n, sha256 }) => ({ n, sha256 })),
    subtrees: tree.subtrees.map((subtree) => subtree.toString('base64')),
    time: o.time.toISOString(),
  } as const;
  const extension = extensionOf(o.n, canonicalJson(rest));
  const checkpoint = signCheckpoint({ origin: o.origin, size: tree.size, root: tree.root(), extension }, o.key);
  // Of a note every line end counts, and canonical JSON has none.
  const body = canonicalJson({ ...rest, checkpoint: Buffer.from(checkpoint).toString('base64') });
  return { body, chain: chainOf({ ...rest, checkpoint }, { body, tree, signer, origin: o.origin }) };
}

/** Without any check but the shape: `undefined` for what is no batch. */
export function parseBatch(body: Buffer): Batch | undefined {
  try {
    const parsed = schema.parse(JSON.parse(body.toString('utf8')));
    if (!canonicalJson(parsed).equals(body)) return undefined;
    if (parsed.segments.some((name) => parseSegmentName(SEGMENT_NAMES + name) === undefined)) return undefined;
    return { ...parsed, checkpoint: Buffer.from(parsed.checkpoint, 'base64').toString('utf8') };
  } catch {
    return undefined;
  }
}

/**
 * A batch against what it should continue. `chain` is undefined for the first one; `isTrusted` is asked about a signer that the
 * chain does not name.
 */
export function checkBatch(
  body: Buffer,
  o: { readonly n: number; readonly chain: Chain | undefined; readonly isTrusted: (signer: Verifier) => boolean },
): { readonly batch: Batch; readonly chain: Chain } | { readonly problem: BatchProblem } {
  const batch = parseBatch(body);
  if (batch === undefined) return { problem: 'malformed' };
  const { chain } = o;
  if (batch.n !== o.n) return { problem: 'another-number' };
  if (batch.previous !== (chain?.sha256 ?? '')) return { problem: 'chain-broken' };
  if (chain !== undefined && batch.prunedBefore < chain.prunedBefore) return { problem: 'pruning-taken-back' };
  const tree = new MerkleTree(chain);
  for (const name of batch.segments) tree.append(leafOf(SEGMENT_NAMES + name));
  return signedBatch(body, batch, { chain, tree, isTrusted: o.isTrusted });
}

/** A batch by itself, from which a chain is begun: its subtrees and its signature, and nothing of what was before it. */
export function checkBatchAlone(
  body: Buffer,
  o: { readonly n: number; readonly isTrusted: (signer: Verifier) => boolean },
): { readonly batch: Batch; readonly chain: Chain } | { readonly problem: BatchProblem } {
  const batch = parseBatch(body);
  if (batch === undefined) return { problem: 'malformed' };
  if (batch.n !== o.n) return { problem: 'another-number' };
  const size = parseNote(batch.checkpoint)?.checkpoint.size ?? -1;
  try {
    const tree = new MerkleTree({ size, subtrees: batch.subtrees.map((text) => Buffer.from(text, 'base64')) });
    return signedBatch(body, batch, { chain: undefined, tree, isTrusted: o.isTrusted });
  } catch (error) {
    if (error instanceof RangeError) return { problem: 'wrong-root' };
    throw error;
  }
}

function signedBatch(
  body: Buffer,
  batch: Batch,
  o: { chain: Chain | undefined; tree: MerkleTree; isTrusted: (signer: Verifier) => boolean },
): { readonly batch: Batch; readonly chain: Chain } | { readonly problem: BatchProblem } {
  const { tree, chain } = o;
  const note = parseNote(batch.checkpoint);
  const signer = parseVerifier(batch.signer);
  if (note === undefined || signer === undefined) return { problem: 'malformed' };
  const { origin, size, root, extension } = note.checkpoint;
  if (signer.name !== origin || (chain !== undefined && origin !== chain.origin)) return { problem: 'another-log' };
  const subtrees = tree.subtrees.map((subtree) => subtree.toString('base64'));
  const isRoot = size === tree.size && root.equals(tree.root()) && subtrees.join() === batch.subtrees.join();
  if (!isRoot) return { problem: 'wrong-root' };
  const { checkpoint: _note, ...rest } = batch;
  if (extension !== extensionOf(batch.n, canonicalJson(rest))) return { problem: 'badly-signed' };
  if (!isNoteBy(note, signer)) return { problem: 'badly-signed' };
  const stays = chain !== undefined && verifierText(chain.signer) === batch.signer;
  if (!stays && !isHandedOver(batch, signer, chain) && !o.isTrusted(signer)) return { problem: 'unknown-signer' };
  return { batch, chain: chainOf(batch, { body, tree, signer, origin }) };
}

/** Whether the signer before names this one. */
function isHandedOver({ handover }: Batch, signer: Verifier, chain: Chain | undefined): boolean {
  if (chain === undefined || handover === '') return false;
  return isSignedBy(chain.signer, handoverOf(signer), Buffer.from(handover, 'base64'));
}

function chainOf(
  batch: Omit<Batch, 'format'>,
  o: { body: Buffer; tree: MerkleTree; signer: Verifier; origin: string },
): Chain {
  const { n, prunedBefore, time, checkpoint } = batch;
  const { tree, signer, origin } = o;
  const sha256 = sha256Of(o.body);
  return { n, sha256, origin, size: tree.size, subtrees: [...tree.subtrees], signer, prunedBefore, time, checkpoint };
}

function leafOf(name: string): Buffer {
  return utf8(name.slice(SEGMENT_NAMES.length));
}

/** Binds the note to everything else in the batch. */
function extensionOf(n: number, rest: Buffer): string {
  return `${FORMAT} ${n} ${Buffer.from(sha256Of(rest), 'hex').toString('base64')}`;
}

function handoverOf(signer: Verifier): Buffer {
  return frame(utf8(HANDOVER), utf8(signer.name), signer.publicKey);
}
