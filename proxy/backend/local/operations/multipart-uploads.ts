/** CreateMultipartUpload, CompleteMultipartUpload, AbortMultipartUpload. S3 API reference. */
import { S3Error } from '../../../errors.ts';
import { MAX_PART_NUMBER } from '../../../limits.ts';
import { parseXml, type XmlNode } from '../../../xml/render-xml.ts';
import type { BackendResponse } from '../../backend.ts';
import { unquoteEtag, writeConditions } from '../conditions.ts';
import { ENCRYPTED } from '../honoured-headers.ts';
import { lockAsked } from '../locks.ts';
import type { NamedPart } from '../mutations/complete-upload.ts';
import { storageClass, storedHeaders, versionHeader } from '../object-headers.ts';
import { receiveDocument } from '../receive-body.ts';
import type { StoreRequest } from '../request.ts';
import { quoted, reply, xmlReply } from '../respond.ts';
import type { Store } from '../store.ts';
import { tagsFromHeader } from '../tags.ts';

export async function createMultipartUpload(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket, key, headers } = request;
  const initiated = store.now();
  const upload = await store.writer.run('createUpload', {
    bucket,
    key,
    initiated,
    storageClass: storageClass(headers),
    headers: storedHeaders(headers),
    tags: tagsFromHeader(headers['x-amz-tagging']),
    lock: lockAsked(headers, initiated),
  });
  return xmlReply('InitiateMultipartUploadResult', { Bucket: bucket, Key: key, UploadId: upload }, ENCRYPTED);
}

export async function completeMultipartUpload(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket, key, headers, query } = request;
  const document = (await receiveDocument(request)).toString();
  const listed = parseXml(document, 'CompleteMultipartUpload').children('Part');
  if (listed.length === 0 || listed.length > MAX_PART_NUMBER) throw new S3Error('MalformedXML');
  const size = headers['x-amz-mp-object-size'];
  if (size !== undefined && !/^\d{1,15}$/.test(size)) throw new S3Error('InvalidRequest');
  const completed = await store.writer.run('completeUpload', {
    bucket,
    key,
    upload: query.get('uploadId') ?? '',
    parts: listed.map(namedPart),
    modified: store.now(),
    conditions: writeConditions(headers),
    ...(size === undefined ? {} : { size: Number(size) }),
  });
  const etag = quoted(completed.etag);
  return xmlReply(
    'CompleteMultipartUploadResult',
    { Location: `/${bucket}/${encodeURIComponent(key)}`, Bucket: bucket, Key: key, ETag: etag },
    { ...ENCRYPTED, ...versionHeader(completed.versionId) },
  );
}

export async function abortMultipartUpload(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket, key, query } = request;
  await store.writer.run('abortUpload', { bucket, key, upload: query.get('uploadId') ?? '' });
  return reply(204);
}

/** @throws S3Error MalformedXML, InvalidArgument */
function namedPart(part: XmlNode): NamedPart {
  const number = part.value('PartNumber')?.trim();
  const etag = part.value('ETag')?.trim();
  if (number === undefined || etag === undefined || !/^\d{1,5}$/.test(number)) throw new S3Error('MalformedXML');
  if (Number(number) < 1 || Number(number) > MAX_PART_NUMBER) {
    throw new S3Error('InvalidArgument', 'PartNumber must be >= 1 and <= 10000', {
      details: { ArgumentName: 'PartNumber', ArgumentValue: number },
    });
  }
  return { number: Number(number), etag: unquoteEtag(etag) };
}
