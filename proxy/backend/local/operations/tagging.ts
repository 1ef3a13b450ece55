/** Tags of objects and of buckets: put, get, delete. S3 API reference. */
import { S3Error } from '../../../errors.ts';
import { LOCAL_BUCKET_TAGS, LOCAL_OBJECT_TAGS } from '../../../limits.ts';
import type { BackendResponse } from '../../backend.ts';
import { findObject } from '../find-object.ts';
import { versionHeader } from '../object-headers.ts';
import { receiveDocument } from '../receive-body.ts';
import { type StoreRequest, versionParameter } from '../request.ts';
import { reply, xmlReply } from '../respond.ts';
import type { Store } from '../store.ts';
import { tagsFromXml, tagsToXml } from '../tags.ts';

export async function putObjectTagging(store: Store, request: StoreRequest): Promise<BackendResponse> {
  findObject(store, request);
  const tags = tagsFromXml(await receiveDocument(request), LOCAL_OBJECT_TAGS);
  return reply(200, versionHeader(await setTags(store, request, tags)));
}

export async function getObjectTagging(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket, row } = findObject(store, request);
  return xmlReply('Tagging', tagsToXml(row.tags), versionHeader(bucket.versioning === '' ? undefined : row.version));
}

export async function deleteObjectTagging(store: Store, request: StoreRequest): Promise<BackendResponse> {
  findObject(store, request);
  return reply(204, versionHeader(await setTags(store, request, '[]')));
}

async function setTags(store: Store, request: StoreRequest, tags: string): Promise<string | undefined> {
  const { bucket, key, query } = request;
  const versionId = versionParameter(query.get('versionId'));
  const { versionId: tagged } = await store.writer.run('setObjectTags', { bucket, key, versionId, tags });
  return tagged;
}

export async function putBucketTagging(store: Store, request: StoreRequest): Promise<BackendResponse> {
  store.index.bucket(request.bucket);
  const tags = tagsFromXml(await receiveDocument(request), LOCAL_BUCKET_TAGS);
  await store.writer.run('setBucketTags', { bucket: request.bucket, tags });
  return reply(204);
}

export async function getBucketTagging(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { tags } = store.index.bucket(request.bucket);
  if (tags === '') throw new S3Error('NoSuchTagSet', undefined, { details: { BucketName: request.bucket } });
  return xmlReply('Tagging', tagsToXml(tags));
}

export async function deleteBucketTagging(store: Store, request: StoreRequest): Promise<BackendResponse> {
  await store.writer.run('setBucketTags', { bucket: request.bucket, tags: '' });
  return reply(204);
}
