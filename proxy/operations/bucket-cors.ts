/** Get, Put and DeleteBucketCors, passed on; what this process remembers of the bucket's rules is dropped. S3 API reference. */

import { bucketOf, type Call } from '../operation.ts';
import { passThrough } from './pass-through.ts';

const forget = (call: Call) => call.services.cors.forget(bucketOf(call));

export const getBucketCors = passThrough({
  name: 'GetBucketCors',
  method: 'GET',
  level: 'bucket',
  subresource: 'cors',
});

export const putBucketCors = passThrough({
  name: 'PutBucketCors',
  method: 'PUT',
  level: 'bucket',
  subresource: 'cors',
  document: { root: 'CORSConfiguration' },
  done: forget,
});

export const deleteBucketCors = passThrough({
  name: 'DeleteBucketCors',
  method: 'DELETE',
  level: 'bucket',
  subresource: 'cors',
  done: forget,
});
