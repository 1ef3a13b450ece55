/**
 * A wrapper that makes any backend as strict as the strictest real store: requests that a real one would refuse are
 * refused, digests are compared with the body, and conditions hold and are atomic even where the inner store ignores them.
 * What must never leave the proxy (a client's own headers) is refused and also recorded in `violations`.
 * Not covered: conditions inside a DeleteObjects document.
 */
import type { Backend, BackendRequest, BackendResponse } from '../../proxy/backend/backend.ts';
import { discard } from '../../proxy/backend/read-body.ts';
import { MAX_USER_METADATA_BYTES, MIN_PART_BYTES } from '../../proxy/limits.ts';
import { errorReply, queryValue } from './backend-reply.ts';
import { brokenCondition, matches, writesObject } from './strict/conditions.ts';
import { KeyLocks } from './strict/key-locks.ts';
import { brokenComplete } from './strict/parts.ts';
import { type Broken, brokenRule, metadataBytes } from './strict/request-rules.ts';
import { BodyVerifier } from './strict/verified-body.ts';

export interface StrictOptions {
  /** As R2 wants it: all parts but the last of one size, the last not larger. */
  readonly equalParts?: boolean;
  /** Smallest part but the last, bytes; S3's 5 MiB by default. */
  readonly minPartBytes?: number;
}

interface Violation {
  readonly method: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly what: string;
}

export interface StrictBackend extends Backend {
  /** Requests with a header or parameter that is not for a store. A test of the proxy expects none. */
  readonly violations: readonly Violation[];
  /** Requests within AWS's count of metadata and beyond MinIO's, which counts the prefix of each name too. */
  readonly overMinioMetadata: readonly Violation[];
  /** Every refusal, in order: `PUT 400 BadDigest`. */
  readonly refusals: readonly string[];
}

/** Ends the inner request from inside its body. */
class Refusal extends Error {
  readonly broken: Broken;
  constructor(broken: Broken) {
    super(broken.code);
    this.broken = broken;
  }
}

export function strictBackend(inner: Backend, o: StrictOptions = {}): StrictBackend {
  const locks = new KeyLocks();
  const violations: Violation[] = [];
  const overMinioMetadata: Violation[] = [];
  const refusals: string[] = [];
  const partRules = { minPartBytes: o.minPartBytes ?? MIN_PART_BYTES, equalParts: o.equalParts ?? false };

  function refuse(request: BackendRequest, broken: Broken): BackendResponse {
    refusals.push(`${request.method} ${broken.status} ${broken.code}`);
    if (broken.isLeak) violations.push(violationOf(request, broken.message));
    return errorReply(request, broken);
  }

  async function read(request: BackendRequest): Promise<BackendResponse> {
    const response = await inner.send(request);
    const broken = brokenRead(request, response);
    if (broken === undefined) return response;
    discard(response);
    const refused = refuse(request, broken);
    const { etag } = response.headers;
    return etag === undefined ? refused : { ...refused, headers: { ...refused.headers, etag } };
  }

  async function write(request: BackendRequest): Promise<BackendResponse> {
    let release: (() => void) | undefined;
    const verifier = new BodyVerifier(request);
    /** To be passed just before the inner store can commit. */
    async function commit(): Promise<void> {
      const broken = verifier.broken();
      if (broken !== undefined) throw new Refusal(broken);
      if (writesObject(request)) release = await locks.acquire(`${request.bucket}/${request.key}`);
      const condition = (await brokenParts(request)) ?? (await brokenCondition(inner, request));
      if (condition !== undefined) throw new Refusal(condition);
    }
    try {
      const { body } = request;
      if (body !== undefined && !Buffer.isBuffer(body)) {
        const chunks = guarded(body.chunks, { verifier, commit });
        return await inner.send({ ...request, body: { length: body.length, chunks } });
      }
      if (body !== undefined) verifier.update(body);
      await commit();
      return await inner.send(request);
    } catch (error) {
      if (error instanceof Refusal) return refuse(request, error.broken);
      throw error;
    } finally {
      release?.();
    }
  }

  async function brokenParts(request: BackendRequest): Promise<Broken | undefined> {
    const completes = request.method === 'POST' && queryValue(request, 'uploadId') !== undefined;
    return completes ? brokenComplete(inner, request, partRules) : undefined;
  }

  async function send(request: BackendRequest): Promise<BackendResponse> {
    const broken = brokenRule(request);
    if (broken !== undefined) return refuse(request, broken);
    const { withPrefix } = metadataBytes(request);
    if (withPrefix > MAX_USER_METADATA_BYTES) {
      overMinioMetadata.push(violationOf(request, `${withPrefix} bytes of metadata by MinIO's count`));
    }
    return request.method === 'GET' || request.method === 'HEAD' ? read(request) : write(request);
  }

  return {
    description: `strict ${inner.description}`,
    violations,
    overMinioMetadata,
    refusals,
    send,
    close: () => inner.close(),
  };
}

/** The body, watched; it ends only once `commit` has passed, and until then a backend must not commit. */
async function* guarded(
  chunks: AsyncIterable<Buffer>,
  o: { verifier: BodyVerifier; commit: () => Promise<void> },
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    o.verifier.update(chunk);
    yield chunk;
  }
  await o.commit();
}

/** Ranges of an empty object, and conditions of a read that the inner store ignored. */
function brokenRead(request: BackendRequest, response: BackendResponse): Broken | undefined {
  const { range, 'if-match': match, 'if-none-match': noneMatch } = request.headers ?? {};
  const { etag, 'content-length': length, 'content-range': content } = response.headers;
  if (request.key === undefined || (response.status !== 200 && response.status !== 206)) return undefined;
  const isEmpty = content === undefined ? length === '0' : content.endsWith('/0');
  if (range?.startsWith('bytes=') && isEmpty) return { status: 416, code: 'InvalidRange', message: 'an empty object' };
  if (etag === undefined) return undefined;
  if (match !== undefined && !matches(match, etag))
    return { status: 412, code: 'PreconditionFailed', message: 'If-Match' };
  const isUnchanged = noneMatch !== undefined && matches(noneMatch, etag);
  return isUnchanged ? { status: 304, code: 'NotModified', message: 'If-None-Match' } : undefined;
}

function violationOf(request: BackendRequest, what: string): Violation {
  return { method: request.method, bucket: request.bucket, key: request.key, what };
}
