/** What all requests to the store about one object have in common, and how their answers are read. */
import {
  type BackendRequest,
  type BackendResponse,
  BackendUnavailable,
  type QueryParameter,
} from '../backend/backend.ts';
import { backendFailure, readErrorResponse } from '../backend/errors.ts';
import type { S3Error } from '../errors.ts';
import type { StoreAccess } from './context.ts';
import type { BackendHeaders } from './stored-metadata.ts';
import type { BackendFacts, ObjectAddress } from './stored-object.ts';

/** All but the method and the body. */
export function about(context: StoreAccess, address: ObjectAddress): Omit<BackendRequest, 'method' | 'body'> {
  const { bucket, key } = address;
  const { signal, accountHeaders } = context;
  return { bucket, key, query: versionQuery(address), headers: accountHeaders, signal };
}

export function versionQuery(address: ObjectAddress): readonly QueryParameter[] {
  return address.versionId === undefined ? [] : [['versionId', address.versionId]];
}

/** @throws BackendUnavailable for an answer that does not describe a version */
export function factsOf(headers: BackendHeaders): BackendFacts {
  const total = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] ?? headers['content-length'];
  const { etag } = headers;
  const lastModified = headers['last-modified'];
  if (total === undefined || etag === undefined || lastModified === undefined) {
    throw new BackendUnavailable('its answer lacks Content-Length, ETag or Last-Modified');
  }
  return { etag, lastModified, versionId: headers['x-amz-version-id'], size: Number(total), headers };
}

/** The client's error for a backend reply that is not the wanted one. Consumes the body. */
export async function failureOf(
  response: BackendResponse,
  context: { operation: string; bucket?: string; key?: string; versionId?: string | undefined },
): Promise<S3Error> {
  return backendFailure(await readErrorResponse(response), context);
}
