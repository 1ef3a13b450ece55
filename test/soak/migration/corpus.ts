/**
 * The objects of a soak of a migration: of every size from none to `largestBytes`, single and of parts, tagged, locked, under a legal
 * hold, with checksums, with older versions. The same seed gives the same objects. Bodies are made on the fly, and only their
 * digests are kept.
 */
import { createHash } from 'node:crypto';
import { PutObjectCommand, type PutObjectCommandInput, type S3Client } from '@aws-sdk/client-s3';
import { mapBounded } from '../../../proxy/concurrency/map-bounded.ts';
import { KiB, MiB } from '../../helpers/bytes.ts';
import { uploadParts } from '../../proxy/verify/objects.ts';
import { generatedBody } from '../support/generated-body.ts';
import { digestOf, Known } from './known.ts';
import { BUCKET } from './store.ts';

export interface CorpusOptions {
  readonly seed: string;
  readonly objects: number;
  /** Of a few objects: one of 2,500, and two at least. */
  readonly largestBytes: number;
  /** The store keeps checksums. */
  readonly checksums: boolean;
}

export interface Corpus {
  readonly known: Map<string, Known>;
  /** Bytes of the current versions. */
  readonly bytes: number;
}

const DAY = 86_400_000;
/** Sizes around a segment's. */
const EDGES = [1, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1, MiB, MiB + 1] as const;

interface Plan {
  readonly key: string;
  readonly size: number;
  readonly isOfParts: boolean;
  readonly older: number;
  readonly extra: Partial<PutObjectCommandInput>;
}

function planOf({ seed, objects, largestBytes, checksums }: CorpusOptions, index: number): Plan {
  const random = createHash('sha256').update(`${seed}:${index}`).digest();
  const among = (at: number, most: number) => random.readUInt32BE(at) % most;
  const every = Math.min(2_500, Math.floor(objects / 2));
  const isLargest = index % every === 7;
  const isOfParts = isLargest ? Math.floor(index / every) % 2 === 1 : index % 250 === 11;
  const size = () => {
    if (isLargest) return largestBytes;
    if (isOfParts) return 16 * MiB + 300 + among(0, 8 * MiB);
    if (index % 100 === 0) return 0;
    if (index % 50 === 3) return MiB + among(0, 2 * MiB);
    return index % 40 === 5 ? (EDGES[among(0, EDGES.length)] ?? 0) : among(0, 16 * KiB);
  };
  const retention =
    index % 5 === 0
      ? ({ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: wholeSeconds(Date.now() + DAY) } as const)
      : {};
  const extra = {
    Metadata: { colour: 'blue' },
    ...(index % 2 === 0 ? { Tagging: 'tag=first' } : {}),
    ...retention,
    ...(index % 11 === 0 ? ({ ObjectLockLegalHoldStatus: 'ON' } as const) : {}),
    ...(checksums && index % 3 === 0 ? ({ ChecksumAlgorithm: index % 2 === 0 ? 'SHA256' : 'SHA1' } as const) : {}),
  };
  const key = `o/${String(index).padStart(6, '0')}`;
  return { key, size: size(), isOfParts, older: index % 7 === 0 ? 1 + (index % 2) : 0, extra };
}

export function wholeSeconds(milliseconds: number): Date {
  return new Date(Math.floor(milliseconds / 1000) * 1000);
}

/** Stores all of it in the bucket, in plain text. */
export async function storeCorpus(bare: S3Client, o: CorpusOptions): Promise<Corpus> {
  const known = new Map<string, Known>();
  let bytes = 0;
  const indexes = Array.from({ length: o.objects }, (_, index) => index);
  await mapBounded(indexes, 8, async (index) => {
    const plan = planOf(o, index);
    const versions: { versionId: string; body: string }[] = [];
    for (let at = 0; at < plan.older; at += 1) {
      const Body = Buffer.concat([...generatedBody(`${o.seed}:${index}:${at}`, 1 + (index % 2_000))]);
      const { VersionId = '' } = await bare.send(new PutObjectCommand({ Bucket: BUCKET, Key: plan.key, Body }));
      versions.push({ versionId: VersionId, body: digestOf([Body]) });
    }
    known.set(plan.key, new Known({ ...(await storeOne(bare, plan, `${o.seed}:${index}`)), older: versions }));
    bytes += plan.size;
  });
  return { known, bytes };
}

async function storeOne(bare: S3Client, { key, size, isOfParts, extra }: Plan, seed: string) {
  const body = Buffer.concat([...generatedBody(seed, size)]);
  const isLocked = extra.ObjectLockMode !== undefined || extra.ObjectLockLegalHoldStatus !== undefined;
  const said = {
    body: digestOf([body]),
    size,
    colour: 'blue',
    tag: extra.Tagging === undefined ? undefined : 'first',
    until: extra.ObjectLockRetainUntilDate?.getTime(),
    hold: extra.ObjectLockLegalHoldStatus === 'ON',
  };
  if (!isOfParts) {
    // S3 takes what is locked only with a digest.
    const digest = isLocked ? { ContentMD5: createHash('md5').update(body).digest('base64') } : {};
    const { ETag } = await bare.send(
      new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body, ...extra, ...digest }),
    );
    return { ...said, etag: ETag };
  }
  // Parts of unlike length, the last one short.
  const cuts = [0, 5 * MiB, 5 * MiB + Math.floor((size - 5 * MiB) / 2), size - 300, size];
  const parts = cuts.slice(1).map((end, at) => body.subarray(cuts[at], end));
  return { ...said, etag: await uploadParts(bare, { bucket: BUCKET, key, parts, extra }) };
}
