/** The conditions that a request's headers set (RFC 9110 section 13.1; S3 API reference, GetObject and PutObject). */
import { S3Error } from '../../errors.ts';
import type { S3Request } from '../../http/request.ts';
import { type ReadConditions, unquote, type WriteConditions } from '../../object/conditions.ts';

export function readConditions(request: S3Request): ReadConditions | undefined {
  return conditionsOf(request, '');
}

/** On the source of a copy. */
export function sourceConditions(request: S3Request): ReadConditions | undefined {
  return conditionsOf(request, 'x-amz-copy-source-');
}

function conditionsOf(request: S3Request, prefix: string): ReadConditions | undefined {
  const conditions = {
    ifMatch: request.header(`${prefix}if-match`),
    ifNoneMatch: request.header(`${prefix}if-none-match`),
    ifModifiedSince: request.header(`${prefix}if-modified-since`),
    ifUnmodifiedSince: request.header(`${prefix}if-unmodified-since`),
  };
  return Object.values(conditions).some((value) => value !== undefined) ? conditions : undefined;
}

/** @throws S3Error NotImplemented for combinations that S3 does not know */
export function writeConditions(request: S3Request): WriteConditions | undefined {
  const ifMatch = request.header('if-match');
  const ifNoneMatch = request.header('if-none-match');
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw new S3Error('NotImplemented', 'If-Match and If-None-Match cannot be combined on a write.');
  }
  if (ifNoneMatch !== undefined) {
    if (unquote(ifNoneMatch) !== '*') {
      throw new S3Error('NotImplemented', 'On a write, If-None-Match takes only the value *.', {
        details: { Header: 'If-None-Match' },
      });
    }
    return { ifNoneMatch: '*' };
  }
  return { ifMatch: unquote(ifMatch ?? '') };
}
