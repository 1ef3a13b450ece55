/**
 * Method, level and sub-resources to exactly one operation, by table look-up: no order, no first match. A request that
 * names a sub-resource nobody wrote answers NotImplemented, so an unknown `PUT /b/k?something` never overwrites `k`.
 */
import { S3Error } from './errors.ts';
import type { S3Request } from './http/request.ts';
import type { Operation, Selector } from './operation.ts';
import { SUBRESOURCES } from './subresources.ts';

/** Parameters that every operation accepts: the clients' own bookkeeping, and the authentication of a presigned URL. */
const ALWAYS_ALLOWED = /^(x-id|x-amz-.*)$/i;

/**
 * Headers that older SDKs write into a presigned URL. Where they are not signed as headers S3 ignores them, and they only
 * tell the user of the URL what to send.
 */
const DESCRIBING = /^(cache-control|content-(disposition|encoding|language|length|md5|type)|expires)$/i;

export interface Router {
  /** @throws S3Error NotImplemented, MethodNotAllowed */
  find(request: S3Request): Operation;
}

export function createRouter(operations: readonly Operation[]): Router {
  const table = new Map<string, Operation>();
  for (const operation of operations) {
    const id = selectorId(operation.selector);
    const taken = table.get(id);
    if (taken !== undefined) throw new Error(`${operation.name} and ${taken.name} are selected by the same requests`);
    table.set(id, operation);
  }
  return {
    find(request) {
      const operation = table.get(requestId(request));
      if (operation === undefined) throw notFound(request);
      refuseUnknownParameters(operation, request);
      return operation;
    },
  };
}

/** The identity of a selector. Two operations have the same one exactly when one request could select both. */
export function selectorId(selector: Selector): string {
  const names = [...(selector.subresources ?? [])].sort().join('&');
  return `${selector.method} ${selector.level}?${names}${selector.copySource === true ? ' copy' : ''}`;
}

function requestId(request: S3Request): string {
  const level = request.key !== undefined ? 'object' : request.bucket !== undefined ? 'bucket' : 'service';
  const names = request.query.names().filter((name) => SUBRESOURCES.has(name));
  // UploadPart is the one operation that partNumber helps to select.
  if (names.includes('uploadId') && request.method === 'PUT') names.push('partNumber');
  const copy = request.method === 'PUT' && level === 'object' && request.header('x-amz-copy-source') !== undefined;
  return `${request.method} ${level}?${names.sort().join('&')}${copy ? ' copy' : ''}`;
}

function notFound(request: S3Request): S3Error {
  if (!['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS'].includes(request.method))
    return new S3Error('MethodNotAllowed');
  const names = request.query.names().filter((name) => SUBRESOURCES.has(name));
  const what = names.length === 0 ? `${request.method} at this level` : `${request.method} with ?${names.join('&')}`;
  return new S3Error('NotImplemented', `${what} is not implemented by this endpoint. See its table of operations.`);
}

function refuseUnknownParameters(operation: Operation, request: S3Request): void {
  const { method } = operation.selector;
  if (method === 'GET' || method === 'HEAD') return;
  const isPresigned = request.query.has('X-Amz-Signature');
  const known = new Set([...(operation.selector.subresources ?? []), ...operation.parameters]);
  for (const name of request.query.names()) {
    if (known.has(name) || ALWAYS_ALLOWED.test(name)) continue;
    if (isPresigned && (DESCRIBING.test(name) || request.header(name.toLowerCase()) !== undefined)) continue;
    throw new S3Error('NotImplemented', `The query parameter ?${name} is not implemented for ${operation.name}.`);
  }
}
