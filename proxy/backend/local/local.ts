/**
 * The embedded store: a directory that answers S3 requests, for one machine and any number of its processes
 * (docs/architecture.md). The index (schema.ts) commits last, so what was acknowledged is there after a kill or a power
 * cut, and what was not is invisible.
 */
import { mkdir, realpath } from 'node:fs/promises';
import { S3Error } from '../../errors.ts';
import { type Backend, type BackendRequest, type BackendResponse, BackendUnavailable } from '../backend.ts';
import type { Capabilities } from '../capabilities.ts';
import { BlobFiles } from './blobs.ts';
import { answer } from './dispatch.ts';
import { IndexReader } from './index-reader.ts';
import { BodyFailed } from './receive-body.ts';
import { readRequest } from './request.ts';
import { errorReply } from './respond.ts';
import { openIndexForReading } from './schema.ts';
import type { Store } from './store.ts';
import { Writer } from './writer.ts';

export interface LocalBackendOptions {
  /** Made when it does not exist, readable by its owner only. */
  readonly directory: string;
  /** The clock behind Last-Modified; the machine's when absent. */
  readonly now?: () => Date;
}

/** @throws BackendUnavailable when the directory cannot be used, or holds another program's files. */
export async function openLocalBackend(o: LocalBackendOptions): Promise<Backend> {
  const now = o.now ?? (() => new Date());
  try {
    await mkdir(o.directory, { recursive: true, mode: 0o700 });
    const directory = await realpath(o.directory);
    const writer = await Writer.open(directory);
    const index = new IndexReader(openIndexForReading(directory));
    const blobs = new BlobFiles(directory, writer.owner);
    return new LocalBackend(`local:${o.directory}`, { writer, index, blobs, now: () => now().getTime() });
  } catch (error) {
    throw unavailable(error);
  }
}

/** test/proxy/backend/local/capabilities.test.ts finds them out. */
const CAPABILITIES: Capabilities = {
  conditionalPut: true,
  conditionalPutIfMatch: true,
  conditionalDelete: true,
  conditionalCopy: true,
  conditionalCopySource: true,
  conditionalComplete: true,
  versioning: true,
  equalParts: false,
  replaceMetadata: true,
  contentMd5: true,
  crc32c: false,
  discardsCutBodies: true,
  listsMetadata: false,
};

class LocalBackend implements Backend {
  readonly description: string;
  readonly capabilities = CAPABILITIES;
  readonly #store: Store;
  readonly #underWay = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  constructor(description: string, store: Store) {
    this.description = description;
    this.#store = store;
  }

  async send(request: BackendRequest): Promise<BackendResponse> {
    if (this.#closed !== undefined) throw new BackendUnavailable('the local store is closed');
    const answering = this.#answer(request);
    this.#underWay.add(answering);
    try {
      return await answering;
    } finally {
      this.#underWay.delete(answering);
    }
  }

  /** Waits for the requests under way; streams that were handed out end when their reader has them. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    await this.#store.blobs.close();
    // The writer's connection goes last: it then moves the log into the index.
    this.#store.index.close();
    await this.#store.writer.close();
  }

  async #answer(request: BackendRequest): Promise<BackendResponse> {
    request.signal.throwIfAborted();
    try {
      return await answer(this.#store, readRequest(request));
    } catch (error) {
      if (error instanceof BodyFailed) throw error.cause;
      if (!(error instanceof S3Error)) throw unavailable(error);
      const resource = [request.bucket, request.key].flatMap((name) => name ?? []).join('/');
      return errorReply(error, { head: request.method === 'HEAD', resource: `/${resource}` });
    }
  }
}

/** Failures of the disk and of the index are the store's; anything else is a bug and stays what it is. */
function unavailable(error: unknown): unknown {
  if (error instanceof BackendUnavailable || !(error instanceof Error) || !('code' in error)) return error;
  return new BackendUnavailable(`the local store failed (${String(error.code)})`, { cause: error });
}
