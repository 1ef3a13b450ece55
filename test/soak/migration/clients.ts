/**
 * Writers and readers of a soak of a migration. Writers store bodies, single and of parts, tags, retentions, legal holds and metadata,
 * and delete. Readers compare what they get with what was stored before they asked, or while they waited.
 */
import { createHash } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { MiB } from '../../helpers/bytes.ts';
import { uploadParts } from '../../proxy/verify/objects.ts';
import { generatedBody } from '../support/generated-body.ts';
import { wholeSeconds } from './corpus.ts';
import { ABSENT, digestOf, type Known, readDigest } from './known.ts';
import { BUCKET } from './store.ts';

const DAY = 86_400_000;
/** Larger bodies are read now and then only. */
const OFTEN_READ_BYTES = 4 * MiB;

const KINDS = ['bodies', 'tags', 'retentions', 'copies', 'holds', 'deletions', 'uploads'] as const;
type Kind = (typeof KINDS)[number];

export interface Work extends Record<Kind, number> {
  reads: number;
}

export class Clients {
  readonly done: Work = {
    bodies: 0,
    tags: 0,
    retentions: 0,
    copies: 0,
    holds: 0,
    deletions: 0,
    uploads: 0,
    reads: 0,
  };
  /** What clients saw that they should not have seen. */
  readonly faults: string[] = [];
  readonly #s3: S3Client;
  readonly #known: ReadonlyMap<string, Known>;
  readonly #keys: readonly string[];
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(s3: S3Client, known: ReadonlyMap<string, Known>) {
    this.#s3 = s3;
    this.#known = known;
    this.#keys = [...known.keys()];
  }

  start(o: { seed: string; writers: number; readers: number }): void {
    const of = (count: number, name: string, work: (choose: Chooser) => Promise<void>) =>
      Array.from({ length: count }, (_, at) => work(chooser(`${o.seed}:${name}:${at}`)));
    this.#running = Promise.all([
      ...of(o.writers, 'writer', (choose) => this.#write(choose)),
      ...of(o.readers, 'reader', (choose) => this.#read(choose)),
    ]);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #write(choose: Chooser): Promise<void> {
    for (let turn = 0; !this.#stop.signal.aborted; turn += 1) {
      const key = this.#keys[choose(this.#keys.length)] ?? '';
      const entry = this.#known.get(key);
      if (entry === undefined || entry.isBusy) {
        await setTimeout(1);
        continue;
      }
      entry.isBusy = true;
      const kind = kindOf(turn, key, entry);
      try {
        await this.#change(kind, { key, entry, choose });
        this.done[kind] += 1;
      } catch (error) {
        this.faults.push(`${kind} ${key}: ${(error as Error).name} ${(error as Error).message}`);
      } finally {
        entry.isBusy = false;
      }
    }
  }

  async #change(kind: Kind, { key, entry, choose }: { key: string; entry: Known; choose: Chooser }): Promise<void> {
    const s3 = this.#s3;
    const about = { Bucket: BUCKET, Key: key };
    const text = choose(2 ** 32).toString(16);
    // A new version has no lock unless its writer names one.
    const written = { colour: text, tag: text, until: undefined, hold: false };
    if (kind === 'bodies' || kind === 'uploads') {
      const size = kind === 'bodies' ? choose(3_000) : 5 * MiB + choose(100);
      const body = Buffer.concat([...generatedBody(text, size)]);
      const digest = digestOf([body]);
      entry.maybe.add(digest);
      const extra = { Metadata: { colour: text }, Tagging: `tag=${text}` };
      const etag =
        kind === 'bodies'
          ? (await s3.send(new PutObjectCommand({ ...about, Body: body, ...extra }))).ETag
          : await uploadParts(s3, {
              bucket: BUCKET,
              key,
              parts: [body.subarray(0, 5 * MiB), body.subarray(5 * MiB)],
              extra,
            });
      entry.said = { body: digest, size, etag, ...written };
      entry.maybe.clear();
    } else if (kind === 'tags') {
      await s3.send(new PutObjectTaggingCommand({ ...about, Tagging: { TagSet: [{ Key: 'tag', Value: text }] } }));
      entry.said = { ...entry.said, tag: text };
    } else if (kind === 'retentions') {
      const RetainUntilDate = wholeSeconds(Date.now() + 30 * DAY);
      await s3.send(new PutObjectRetentionCommand({ ...about, Retention: { Mode: 'GOVERNANCE', RetainUntilDate } }));
      entry.said = { ...entry.said, until: RetainUntilDate.getTime() };
    } else if (kind === 'holds') {
      const hold = !entry.said.hold;
      await s3.send(new PutObjectLegalHoldCommand({ ...about, LegalHold: { Status: hold ? 'ON' : 'OFF' } }));
      entry.said = { ...entry.said, hold };
    } else if (kind === 'deletions') {
      entry.maybe.add(ABSENT);
      await s3.send(new DeleteObjectCommand(about));
      entry.said = { ...entry.said, body: ABSENT };
      entry.maybe.clear();
    } else {
      const replaced = { MetadataDirective: 'REPLACE', Metadata: { colour: text } } as const;
      const { CopyObjectResult } = await s3.send(
        new CopyObjectCommand({ ...about, CopySource: `${BUCKET}/${key}`, ...replaced }),
      );
      entry.said = { ...entry.said, etag: CopyObjectResult?.ETag, colour: text, until: undefined, hold: false };
    }
  }

  async #read(choose: Chooser): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const key = this.#keys[choose(this.#keys.length)] ?? '';
      const entry = this.#known.get(key);
      if (entry === undefined || (entry.said.size > OFTEN_READ_BYTES && choose(20) > 0)) continue;
      const before = [entry.said.body, ...entry.maybe];
      try {
        const { body } = await readDigest(this.#s3, key);
        // Written before it was read, or while it was read.
        if (![...before, entry.said.body, ...entry.maybe].includes(body))
          this.faults.push(`read ${key}: an older body`);
        this.done.reads += 1;
      } catch (error) {
        this.faults.push(`read ${key}: ${(error as Error).name} ${(error as Error).message}`);
      }
    }
  }
}

/** What is not there can only be stored. The bytes of most objects are left to the migration: a copy seals them, too. */
function kindOf(turn: number, key: string, { said }: Known): Kind {
  if (said.body === ABSENT) return 'bodies';
  if (!key.endsWith('4')) return (['tags', 'retentions', 'holds'] as const)[turn % 3] ?? 'tags';
  if (turn % 20 === 9) return 'uploads';
  return (['bodies', 'copies', 'tags', 'bodies', 'copies', 'holds', 'deletions'] as const)[turn % 7] ?? 'tags';
}

type Chooser = (below: number) => number;

/** The same numbers for the same seed. */
function chooser(seed: string): Chooser {
  let count = 0;
  return (below) => {
    count += 1;
    return createHash('sha256').update(`${seed}:${count}`).digest().readUIntBE(0, 6) % below;
  };
}
