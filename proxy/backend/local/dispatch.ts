/**
 * Which operation a request is: its method, level and sub-resource name exactly one, whatever the order of this table.
 * Sub-resources that the store does not serve, and headers that it cannot honour (honoured-headers.ts), are refused and never
 * ignored.
 */
import { S3Error } from '../../errors.ts';
import { SUBRESOURCES } from '../../subresources.ts';
import type { BackendResponse } from '../backend.ts';
import { checkExpectedOwner, refuseHeaders } from './honoured-headers.ts';
import { createBucket, deleteBucket, getBucketLocation, headBucket, listBuckets } from './operations/buckets.ts';
import { copyObject } from './operations/copy-object.ts';
import { deleteObject, deleteObjects } from './operations/delete-objects.ts';
import { getObject, headObject } from './operations/get-object.ts';
import { listObjectsV1, listObjectsV2 } from './operations/list-objects.ts';
import { listMultipartUploads, listParts } from './operations/list-uploads.ts';
import { listObjectVersions } from './operations/list-versions.ts';
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
} from './operations/multipart-uploads.ts';
import { always, getBucketAcl, getObjectAcl, notConfigured } from './operations/never-set.ts';
import { putObject } from './operations/put-object.ts';
import {
  deleteBucketTagging,
  deleteObjectTagging,
  getBucketTagging,
  getObjectTagging,
  putBucketTagging,
  putObjectTagging,
} from './operations/tagging.ts';
import { uploadPart, uploadPartCopy } from './operations/upload-part.ts';
import { getBucketVersioning, putBucketVersioning } from './operations/versioning.ts';
import type { StoreRequest } from './request.ts';
import type { Store } from './store.ts';

export type Operation = (store: Store, request: StoreRequest) => Promise<BackendResponse>;

/** `METHOD level sub-resource`; `copy` marks a request with a copy source. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET service': listBuckets,
  'PUT bucket': createBucket,
  'HEAD bucket': headBucket,
  'DELETE bucket': deleteBucket,
  'GET bucket': listObjectsV1,
  'GET bucket list-type': listObjectsV2,
  'GET bucket location': getBucketLocation,
  'GET bucket tagging': getBucketTagging,
  'PUT bucket tagging': putBucketTagging,
  'DELETE bucket tagging': deleteBucketTagging,
  'GET bucket uploads': listMultipartUploads,
  'GET bucket versioning': getBucketVersioning,
  'PUT bucket versioning': putBucketVersioning,
  'GET bucket versions': listObjectVersions,
  'GET bucket accelerate': always('AccelerateConfiguration'),
  'GET bucket acl': getBucketAcl,
  'GET bucket cors': notConfigured('NoSuchCORSConfiguration'),
  'GET bucket encryption': notConfigured('ServerSideEncryptionConfigurationNotFoundError'),
  'GET bucket lifecycle': notConfigured('NoSuchLifecycleConfiguration'),
  'GET bucket logging': always('BucketLoggingStatus'),
  'GET bucket notification': always('NotificationConfiguration'),
  'GET bucket object-lock': notConfigured('ObjectLockConfigurationNotFoundError'),
  'GET bucket ownershipControls': notConfigured('OwnershipControlsNotFoundError'),
  'GET bucket policy': notConfigured('NoSuchBucketPolicy'),
  'GET bucket policyStatus': notConfigured('NoSuchBucketPolicy'),
  'GET bucket publicAccessBlock': notConfigured('NoSuchPublicAccessBlockConfiguration'),
  'GET bucket requestPayment': always('RequestPaymentConfiguration', { Payer: 'BucketOwner' }),
  'GET bucket website': notConfigured('NoSuchWebsiteConfiguration'),
  'POST bucket delete': deleteObjects,
  'GET object': getObject,
  'HEAD object': headObject,
  'PUT object': putObject,
  'PUT object copy': copyObject,
  'DELETE object': deleteObject,
  'GET object acl': getObjectAcl,
  'GET object tagging': getObjectTagging,
  'PUT object tagging': putObjectTagging,
  'DELETE object tagging': deleteObjectTagging,
  'POST object uploads': createMultipartUpload,
  'PUT object uploadId': uploadPart,
  'PUT object uploadId copy': uploadPartCopy,
  'GET object uploadId': listParts,
  'POST object uploadId': completeMultipartUpload,
  'DELETE object uploadId': abortMultipartUpload,
};

/** @throws S3Error as `findOperation`, AccessDenied for another owner than is expected, and those of the operation */
export async function answer(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const operation = findOperation(request);
  checkExpectedOwner(store, { ...request, makes: operation === createBucket });
  return operation(store, request);
}

/** @throws S3Error NotImplemented, InvalidArgument for sub-resources that exclude each other, MethodNotAllowed */
export function findOperation(request: StoreRequest): Operation {
  refuseHeaders(request.headers);
  const named = [...request.query.keys()].filter((name) => SUBRESOURCES.has(name));
  if (named.length > 1) {
    throw new S3Error('InvalidArgument', `Conflicting query string parameters: ${named.join(', ')}`);
  }
  const level = request.bucket === '' ? 'service' : request.key === '' ? 'bucket' : 'object';
  const copy = request.method === 'PUT' && request.headers['x-amz-copy-source'] !== undefined ? ['copy'] : [];
  const name = [request.method, level, ...named, ...copy].join(' ');
  if (Object.hasOwn(OPERATIONS, name)) return OPERATIONS[name] ?? refuse();
  if (named.length === 0 && copy.length === 0) throw new S3Error('MethodNotAllowed');
  return refuse();
}

function refuse(): never {
  throw new S3Error('NotImplemented');
}
