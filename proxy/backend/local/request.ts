/** A backend request as the operations read it: decoded names checked, the query by name. */
import { S3Error } from '../../errors.ts';
import { MAX_KEY_BYTES } from '../../limits.ts';
import type { BackendMethod, BackendRequest } from '../backend.ts';
import type { Override } from './locks.ts';
import { isVersionId } from './version-id.ts';

export interface StoreRequest {
  readonly method: BackendMethod;
  /** '' at service level. */
  readonly bucket: string;
  /** '' at service and bucket level. */
  readonly key: string;
  /** The key in UTF-8, at most 1,024 bytes. */
  readonly keyBytes: Buffer;
  readonly query: ReadonlyMap<string, string>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: BackendRequest['body'];
  /** It may take what the store keeps in reserve. */
  readonly isEssential: boolean;
  readonly signal: AbortSignal;
}

/** @throws S3Error KeyTooLongError, InvalidURI for a name that is not Unicode text */
export function readRequest(request: BackendRequest): StoreRequest {
  const { bucket = '', key = '', query = [], headers = {} } = request;
  if (!key.isWellFormed() || !bucket.isWellFormed()) throw new S3Error('InvalidURI');
  const keyBytes = Buffer.from(key);
  if (keyBytes.length > MAX_KEY_BYTES) {
    const details = { Size: String(keyBytes.length), MaxSizeAllowed: String(MAX_KEY_BYTES) };
    throw new S3Error('KeyTooLongError', undefined, { details });
  }
  const byName = new Map<string, string>();
  for (const [name, value] of query) if (!byName.has(name)) byName.set(name, value);
  const { method, body, signal, essential: isEssential = false } = request;
  return { method, bucket, key, keyBytes, query: byName, headers, body, isEssential, signal };
}

/**
 * An integer parameter of the query.
 * @throws S3Error InvalidArgument when it is not a decimal integer from `min` to `max`; above `clamp` it becomes `clamp`.
 */
export function integerParameter(
  request: StoreRequest,
  name: string,
  o: { readonly min: number; readonly max: number; readonly otherwise: number; readonly clamp?: number },
): number {
  const text = request.query.get(name);
  if (text === undefined || text === '') return o.otherwise;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= o.min && value <= o.max)) {
    const message = `Argument ${name} must be an integer between ${o.min} and ${o.max}`;
    throw new S3Error('InvalidArgument', message, { details: { ArgumentName: name, ArgumentValue: text } });
  }
  return Math.min(value, o.clamp ?? o.max);
}

/** Whether the request may go round a retention in GOVERNANCE mode. The proxy asks for the permission. */
export function overrideOf({ headers }: StoreRequest, now: number): Override {
  return { now, bypass: headers['x-amz-bypass-governance-retention']?.trim().toLowerCase() === 'true' };
}

/** @throws S3Error InvalidArgument for a version id that this store cannot have made */
export function versionParameter(versionId: string | undefined): string | undefined {
  if (versionId === undefined || isVersionId(versionId)) return versionId;
  throw new S3Error('InvalidArgument', 'Invalid version id specified', {
    details: { ArgumentName: 'versionId', ArgumentValue: versionId },
  });
}
