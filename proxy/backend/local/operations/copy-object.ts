/** CopyObject: headers into one mutation; the data stays where it is. S3: CopyObject. */
import { S3Error } from '../../../errors.ts';
import type { BackendResponse } from '../../backend.ts';
import { readConditions, writeConditions } from '../conditions.ts';
import { copySource } from '../copy-source.ts';
import { ENCRYPTED } from '../honoured-headers.ts';
import { lockAsked } from '../locks.ts';
import { REDIRECT, storageClass, storedHeaders, versionHeader } from '../object-headers.ts';
import type { StoreRequest } from '../request.ts';
import { isoDate, quoted, xmlReply } from '../respond.ts';
import type { Store } from '../store.ts';
import { tagsFromHeader } from '../tags.ts';

export async function copyObject(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket, key, headers } = request;
  const replaceHeaders = replaces(headers, 'x-amz-metadata-directive');
  const replaceTags = replaces(headers, 'x-amz-tagging-directive');
  const redirect = headers[REDIRECT];
  const modified = store.now();
  const copied = await store.writer.run('copyObject', {
    source: copySource(headers['x-amz-copy-source'] ?? ''),
    sourceConditions: readConditions(headers, 'x-amz-copy-source-'),
    bucket,
    key,
    modified,
    storageClass: storageClass(headers),
    conditions: writeConditions(headers),
    ...(replaceHeaders ? { headers: storedHeaders(headers) } : {}),
    ...(replaceTags ? { tags: tagsFromHeader(headers['x-amz-tagging']) } : {}),
    ...(redirect === undefined ? {} : { redirect }),
    lock: lockAsked(headers, modified),
    namesEncryption: headers['x-amz-server-side-encryption'] !== undefined,
  });
  const source = copied.sourceVersionId;
  return xmlReply(
    'CopyObjectResult',
    { LastModified: isoDate(modified), ETag: quoted(copied.etag) },
    {
      ...ENCRYPTED,
      ...versionHeader(copied.versionId),
      ...(source === undefined ? {} : { 'x-amz-copy-source-version-id': source }),
    },
  );
}

/** @throws S3Error InvalidArgument for a directive other than COPY and REPLACE */
function replaces(headers: StoreRequest['headers'], name: string): boolean {
  const directive = headers[name] ?? 'COPY';
  if (directive === 'COPY' || directive === 'REPLACE') return directive === 'REPLACE';
  throw new S3Error('InvalidArgument', 'Unknown directive.', {
    details: { ArgumentName: name, ArgumentValue: directive },
  });
}
