/** HeadBucket, passed on: whether the bucket is there, and in which region. */
import { bucketHead } from '../object/bucket-head.ts';
import { bucketOf, type Operation } from '../operation.ts';

export const headBucket: Operation = {
  name: 'HeadBucket',
  selector: { method: 'HEAD', level: 'bucket' },
  parameters: [],
  body: 'none',
  memory: 'small',
  async run(call) {
    const headers = await bucketHead(call.context, bucketOf(call));
    return {
      status: 200,
      headers: {
        'x-amz-bucket-region': headers['x-amz-bucket-region'] ?? call.services.region,
        'x-amz-access-point-alias': headers['x-amz-access-point-alias'],
      },
    };
  },
};
