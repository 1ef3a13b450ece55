/** HeadBucket, passed on: whether the bucket is there, and in which region. */
import { ask } from '../backend/ask.ts';
import { accountHeaders } from '../object/client-headers.ts';
import { bucketOf, type Operation } from '../operation.ts';

export const headBucket: Operation = {
  name: 'HeadBucket',
  selector: { method: 'HEAD', level: 'bucket' },
  parameters: [],
  access: 'bucket-read',
  body: 'none',
  async run(call) {
    const bucket = bucketOf(call);
    const { headers } = await ask(call, 'HeadBucket', {
      method: 'HEAD',
      bucket,
      headers: accountHeaders(call.request),
    });
    return {
      status: 200,
      headers: {
        'x-amz-bucket-region': headers['x-amz-bucket-region'] ?? call.services.region,
        'x-amz-access-point-alias': headers['x-amz-access-point-alias'],
      },
    };
  },
};
