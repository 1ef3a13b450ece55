/**
 * Which operation a request is: its method, level and sub-resource name exactly one, whatever the order of this table.
 * Sub-resources that the store does not serve, and headers that it cannot honour (honoured-headers.ts), are refused and never
 * ignored.
 */
import { S3Error } from '../../errors.ts';
import { SUBRESOURCES } from '../../subresources.ts';
import type { BackendResponse } from '../backend.ts';
import { checkAcl, checkExpectedOwner, refuseHeaders } from './honoured-headers.ts';
import { LOCK_HEADERS } from './locks.ts';
import { getBucketAcl, getObjectAcl, putBucketAcl, putObjectAcl } from './operations/acls.ts';
import {
  deleteBucketCors,
  deleteBucketEncryption,
  deleteOwnershipControls,
  deletePublicAccessBlock,
  getBucketCors,
  getBucketEncryption,
  getOwnershipControls,
  getPublicAccessBlock,
  putBucketCors,
  putBucketEncryption,
  putOwnershipControls,
  putPublicAccessBlock,
} from './operations/bucket-settings.ts';
import { createBucket, deleteBucket, getBucketLocation, headBucket, listBuckets } from './operations/buckets.ts';
import { copyObject } from './operations/copy-object.ts';
import { deleteObject, deleteObjects } from './operations/delete-objects.ts';
import { getObject, headObject } from './operations/get-object.ts';
import { listObjectsV1, listObjectsV2 } from './operations/list-objects.ts';
import { listMultipartUploads, listParts } from './operations/list-uploads.ts';
import { listObjectVersions } from './operations/list-versions.ts';
import { getObjectLockConfiguration, putObjectLockConfiguration } from './operations/lock-configuration.ts';
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
} from './operations/multipart-uploads.ts';
import { always, notConfigured, nothingToDelete } from './operations/never-set.ts';
import {
  getObjectLegalHold,
  getObjectRetention,
  putObjectLegalHold,
  putObjectRetention,
} from './operations/object-locks.ts';
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
  'PUT bucket acl': putBucketAcl,
  'GET bucket cors': getBucketCors,
  'PUT bucket cors': putBucketCors,
  'DELETE bucket cors': deleteBucketCors,
  'GET bucket encryption': getBucketEncryption,
  'PUT bucket encryption': putBucketEncryption,
  'DELETE bucket encryption': deleteBucketEncryption,
  'GET bucket lifecycle': notConfigured('NoSuchLifecycleConfiguration'),
  'DELETE bucket lifecycle': nothingToDelete,
  'GET bucket logging': always('BucketLoggingStatus'),
  'GET bucket notification': always('NotificationConfiguration'),
  'GET bucket object-lock': getObjectLockConfiguration,
  'PUT bucket object-lock': putObjectLockConfiguration,
  'GET bucket ownershipControls': getOwnershipControls,
  'PUT bucket ownershipControls': putOwnershipControls,
  'DELETE bucket ownershipControls': deleteOwnershipControls,
  'GET bucket policy': notConfigured('NoSuchBucketPolicy'),
  'DELETE bucket policy': nothingToDelete,
  'GET bucket policyStatus': notConfigured('NoSuchBucketPolicy'),
  'GET bucket publicAccessBlock': getPublicAccessBlock,
  'PUT bucket publicAccessBlock': putPublicAccessBlock,
  'DELETE bucket publicAccessBlock': deletePublicAccessBlock,
  'GET bucket requestPayment': always('RequestPaymentConfiguration', { Payer: 'BucketOwner' }),
  'GET bucket website': notConfigured('NoSuchWebsiteConfiguration'),
  'DELETE bucket website': nothingToDelete,
  'POST bucket delete': deleteObjects,
  'GET object': getObject,
  'HEAD object': headObject,
  'PUT object': putObject,
  'PUT object copy': copyObject,
  'DELETE object': deleteObject,
  'GET object acl': getObjectAcl,
  'PUT object acl': putObjectAcl,
  'GET object legal-hold': getObjectLegalHold,
  'PUT object legal-hold': putObjectLegalHold,
  'GET object retention': getObjectRetention,
  'PUT object retention': putObjectRetention,
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

/** Headers that these operations honour, and no other does. */
const HONOURED: ReadonlyMap<Operation, readonly string[]> = new Map<Operation, readonly string[]>([
  [createBucket, ['x-amz-bucket-object-lock-enabled', 'x-amz-object-ownership']],
  [putObject, LOCK_HEADERS],
  [copyObject, LOCK_HEADERS],
  [createMultipartUpload, LOCK_HEADERS],
]);

/** @throws S3Error as `findOperation`, AccessDenied for another owner than is expected, AccessControlListNotSupported, and those of the operation */
export async function answer(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const operation = findOperation(request);
  const makes = operation === createBucket;
  checkExpectedOwner(store, { ...request, makes });
  checkAcl(store, { ...request, makes });
  return operation(store, request);
}

/** @throws S3Error NotImplemented, InvalidArgument for sub-resources that exclude each other, MethodNotAllowed */
export function findOperation(request: StoreRequest): Operation {
  const operation = operationNamed(request);
  refuseHeaders(request.headers, HONOURED.get(operation) ?? []);
  return operation;
}

function operationNamed(request: StoreRequest): Operation {
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
