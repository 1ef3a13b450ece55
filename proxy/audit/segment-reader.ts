/** Reads segments back: whether one is what its name says and was sealed here, and the events in it. */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { MAX_AUDIT_SEGMENT_PLAINTEXT_BYTES } from '../audit-limits.ts';
import type { SealKeys } from '../keyring/access-keys/seal-keys.ts';
import type { StateStore } from '../keyring/state/state.ts';
import { type AuditKey, auditKey } from './audit-keys.ts';
import { openSegment, parseSegment, parseSegmentName, type Segment, sha256Of } from './format/segment.ts';

const unpack = promisify(gunzip);

export type IsAuthentic = (name: string, signal: AbortSignal) => Promise<boolean>;

export class SegmentReader {
  readonly #store: StateStore;
  readonly #keys: { readonly state: StateStore; readonly sealKeys: SealKeys };
  readonly #known = new Map<string, AuditKey>();

  /** `store`: where the log is. `keys`: where the audit keys are. */
  constructor(o: { store: StateStore; keys: { readonly state: StateStore; readonly sealKeys: SealKeys } }) {
    this.#store = o.store;
    this.#keys = o.keys;
  }

  /** @throws S3Error ServiceUnavailable */
  async isAuthentic(name: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#opened(name, signal)) !== undefined;
  }

  /** Lines of JSON. `undefined`: the segment is not there, is not what its name says, or was not sealed here. */
  async lines(name: string, signal: AbortSignal): Promise<readonly string[] | undefined> {
    const payload = await this.#opened(name, signal);
    if (payload === undefined) return undefined;
    if (payload.length === 0) return [];
    const text = await unpack(payload, { maxOutputLength: MAX_AUDIT_SEGMENT_PLAINTEXT_BYTES });
    return text
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '');
  }

  /** Whether these bytes were sealed here. `undefined`: the audit key that they name is not at hand. */
  async isSealedHere(segment: Segment, signal: AbortSignal): Promise<boolean | undefined> {
    const key = await this.#key(segment.header.key, signal);
    return key && openSegment(segment, key.key) !== undefined;
  }

  async #opened(name: string, signal: AbortSignal): Promise<Buffer | undefined> {
    const body = (await this.#store.get(name, signal))?.body;
    const segment = body && segmentNamed(name, body);
    const key = segment && (await this.#key(segment.header.key, signal));
    return segment && key && openSegment(segment, key.key);
  }

  async #key(id: string, signal: AbortSignal): Promise<AuditKey | undefined> {
    const known = this.#known.get(id) ?? (await auditKey(this.#keys, id, signal));
    if (known !== undefined) this.#known.set(id, known);
    return known;
  }
}

/** `undefined`: these are not the bytes of that name. */
export function segmentNamed(name: string, body: Buffer): Segment | undefined {
  const parsed = parseSegmentName(name);
  const segment = parseSegment(body);
  if (parsed === undefined || segment === undefined || sha256Of(body) !== parsed.sha256) return undefined;
  const { minute, boot, seq } = segment.header;
  return minute === parsed.minute && boot === parsed.boot && seq === parsed.seq ? segment : undefined;
}
