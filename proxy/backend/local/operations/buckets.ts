/** ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation. S3 API reference. */
import { S3Error } from '../../../errors.ts';
import { LOCAL_LISTED_BUCKETS } from '../../../limits.ts';
import { escapeXml, parseAnyXml, renderXml } from '../../../xml/render-xml.ts';
import type { BackendResponse } from '../../backend.ts';
import { checkBucketName } from '../bucket-name.ts';
import { type BucketSettings, isOwnership } from '../bucket-settings.ts';
import { decodeToken, encodeToken } from '../listing.ts';
import { receiveDocument } from '../receive-body.ts';
import { integerParameter, type StoreRequest } from '../request.ts';
import { documentReply, isoDate, OWNER, reply, xmlReply } from '../respond.ts';
import type { Store } from '../store.ts';

/** Stored when CreateBucket names no location; S3 shows it as an empty LocationConstraint. */
const DEFAULT_REGION = 'us-east-1';

export async function listBuckets(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const limit = integerParameter(request, 'max-buckets', {
    min: 1,
    max: LOCAL_LISTED_BUCKETS,
    otherwise: LOCAL_LISTED_BUCKETS,
  });
  const token = request.query.get('continuation-token');
  const prefix = request.query.get('prefix') ?? '';
  const after = token === undefined ? '' : decodeToken(token).toString();
  const buckets = store.index.buckets(after, prefix, limit + 1);
  const page = buckets.slice(0, limit);
  const last = page.at(-1);
  return xmlReply('ListAllMyBucketsResult', {
    Owner: OWNER,
    Buckets: {
      Bucket: page.map(({ name, created, location }) => ({
        Name: name,
        CreationDate: isoDate(created),
        BucketRegion: location,
      })),
    },
    ContinuationToken: buckets.length > limit && last !== undefined ? encodeToken(Buffer.from(last.name)) : undefined,
    Prefix: request.query.has('prefix') ? prefix : undefined,
  });
}

export async function createBucket(store: Store, request: StoreRequest): Promise<BackendResponse> {
  checkBucketName(request.bucket);
  const document = (await receiveDocument(request)).toString();
  let location = DEFAULT_REGION;
  if (document.trim() !== '') {
    const configuration = parseAnyXml(document).child('CreateBucketConfiguration');
    if (configuration === undefined) throw new S3Error('MalformedXML');
    location = configuration.value('LocationConstraint')?.trim() || DEFAULT_REGION;
  }
  const settings = settingsAsked(request.headers);
  await store.writer.run('createBucket', { name: request.bucket, location, created: store.now(), settings });
  return reply(200, { location: `/${request.bucket}` });
}

/** @throws S3Error InvalidArgument */
function settingsAsked(headers: StoreRequest['headers']): BucketSettings {
  const { 'x-amz-bucket-object-lock-enabled': locks = 'false', 'x-amz-object-ownership': ownership } = headers;
  const refuse = (ArgumentName: string, ArgumentValue: string): never => {
    throw new S3Error('InvalidArgument', undefined, { details: { ArgumentName, ArgumentValue } });
  };
  if (!/^(true|false)$/i.test(locks)) return refuse('x-amz-bucket-object-lock-enabled', locks);
  if (ownership !== undefined && !isOwnership(ownership)) return refuse('x-amz-object-ownership', ownership);
  return {
    ...(locks.toLowerCase() === 'true' && { objectLock: {} }),
    ...(ownership !== undefined && { ownership }),
  };
}

export async function headBucket(store: Store, request: StoreRequest): Promise<BackendResponse> {
  return reply(200, { 'x-amz-bucket-region': store.index.bucket(request.bucket).location });
}

export async function deleteBucket(store: Store, request: StoreRequest): Promise<BackendResponse> {
  await store.writer.run('deleteBucket', { name: request.bucket });
  return reply(204);
}

export async function getBucketLocation(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { location } = store.index.bucket(request.bucket);
  const empty = renderXml('LocationConstraint', {});
  if (location === DEFAULT_REGION) return documentReply(200, empty);
  return documentReply(
    200,
    empty.replace('></', () => `>${escapeXml(location)}</`),
  );
}
