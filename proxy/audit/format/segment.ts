/**
 * Segments of the audit log (crypto/FORMAT.md, "Audit log"): a header in clear, which chains each segment of one writer to the one
 * before, and the events as gzip JSON lines under the audit key. The name has the hash of the whole, so whoever lists the log has
 * all hashes without reading it.
 *
 * Layout: magic 16 | length of the header 4 | header, canonical JSON | AES-256-GCM(events) | GCM tag 16.
 */
import { createHash, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { utf8 } from '../../../crypto/bytes.ts';
import { openOnce, sealOnce } from '../../../crypto/gcm.ts';
import { deriveKey, frame } from '../../../crypto/keys.ts';
import { randomSalt, SALT_BYTES } from '../../../crypto/random.ts';
import { canonicalJson } from '../../keyring/state/canonical-json.ts';

export const SEGMENT_NAMES = 'audit/segment/';
export const SEGMENT_MAGIC = 'sealgate-audit/1';
const SEGMENT_LABEL = 'sealgate/1/audit-segment';
const MAX_HEADER_BYTES = 4_096;

const count = z.int().min(0);
const hash = z.string().regex(/^[0-9a-f]{64}$/);

const headerSchema = z.strictObject({
  /** 16 hex digits, drawn when the writer began. */
  boot: z.string().regex(/^[0-9a-f]{16}$/),
  /** Events in this segment, and of the writer so far. */
  events: count,
  total: count,
  /** Of the writer's last segment `yes`. */
  final: z.enum(['yes', 'no']),
  /** Times of its first and last event, '' without one. */
  first: z.string().max(32),
  last: z.string().max(32),
  /** Id of the audit key. */
  key: z.string().regex(/^[0-9a-f]{8}$/),
  minute: z.string().regex(/^\d{8}T\d{4}Z$/),
  /** SHA-256 of the writer's segment before, '' for its first. */
  previous: z.union([hash, z.literal('')]),
  salt: z.string().length(44),
  seq: count,
});

export type SegmentHeader = z.infer<typeof headerSchema>;

/** What a name says of a segment. */
export interface SegmentName {
  readonly minute: string;
  readonly boot: string;
  readonly seq: number;
  /** 64 hex digits. */
  readonly sha256: string;
}

export interface Segment {
  readonly header: SegmentHeader;
  readonly headerBytes: Buffer;
  /** Ciphertext and tag. */
  readonly sealed: Buffer;
}

/** `20261127T2005Z`, in UTC. */
export function minuteOf(time: Date): string {
  return `${time.toISOString().slice(0, 16).replaceAll(/[-:]/g, '')}Z`;
}

export function minuteStart(minute: string): number {
  const [, y, mo, d, h, mi] = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})Z$/.exec(minute) ?? [];
  return Date.parse(`${y}-${mo}-${d}T${h}:${mi}:00Z`);
}

export function segmentName({ minute, boot, seq, sha256 }: SegmentName): string {
  return `${SEGMENT_NAMES}${minute}/${boot}-${String(seq).padStart(10, '0')}-${sha256}`;
}

/** `undefined`: no segment's name. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const [, minute, boot, seq, sha256] =
    /^audit\/segment\/(\d{8}T\d{4}Z)\/([0-9a-f]{16})-(\d{10})-([0-9a-f]{64})$/.exec(name) ?? [];
  if (minute === undefined || boot === undefined || sha256 === undefined) return undefined;
  return { minute, boot, seq: Number(seq), sha256 };
}

/** `payload`: gzip members, or nothing. `key`: the audit key. The salt is drawn here. */
export function sealSegment(
  header: Omit<SegmentHeader, 'salt'>,
  payload: Buffer,
  key: KeyObject,
): { readonly name: string; readonly sha256: string; readonly body: Buffer } {
  const salt = randomSalt();
  const headerBytes = canonicalJson({ ...header, salt: salt.toString('base64') });
  const segmentKey = deriveKey(key, { label: SEGMENT_LABEL, salt });
  const sealed = sealOnce(segmentKey, payload, additionalData(headerBytes));
  segmentKey.fill(0);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(headerBytes.length);
  const body = Buffer.concat([Buffer.from(SEGMENT_MAGIC, 'latin1'), length, headerBytes, sealed]);
  const sha256 = sha256Of(body);
  const { minute, boot, seq } = header;
  return { name: segmentName({ minute, boot, seq, sha256 }), sha256, body };
}

/** `undefined`: these bytes are no segment. Nothing is opened. */
export function parseSegment(body: Buffer): Segment | undefined {
  const at = SEGMENT_MAGIC.length;
  if (body.length < at + 4 || body.toString('latin1', 0, at) !== SEGMENT_MAGIC) return undefined;
  const length = body.readUInt32BE(at);
  const end = at + 4 + length;
  if (length > MAX_HEADER_BYTES || body.length < end + 16) return undefined;
  const headerBytes = body.subarray(at + 4, end);
  try {
    const header = headerSchema.parse(JSON.parse(headerBytes.toString('utf8')));
    if (!canonicalJson(header).equals(headerBytes)) return undefined;
    return { header, headerBytes, sealed: body.subarray(end) };
  } catch {
    return undefined;
  }
}

/** The events, packed; `undefined`: not sealed under that key with this header. */
export function openSegment({ header, headerBytes, sealed }: Segment, key: KeyObject): Buffer | undefined {
  const salt = Buffer.from(header.salt, 'base64');
  if (salt.length !== SALT_BYTES) return undefined;
  const segmentKey = deriveKey(key, { label: SEGMENT_LABEL, salt });
  const opened = openOnce(segmentKey, sealed, additionalData(headerBytes));
  segmentKey.fill(0);
  return opened;
}

/** The header has minute, boot id, number and the hash of the segment before. */
function additionalData(headerBytes: Buffer): Buffer {
  return frame(utf8(SEGMENT_MAGIC), headerBytes);
}

export function sha256Of(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex');
}
