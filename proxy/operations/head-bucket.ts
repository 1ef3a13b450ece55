/** HeadBucket, passed on: whether the bucket is there, and in which region. */
import { backendFailure, withoutDocument } from '../backend/errors.ts';
import { discard } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import { codeBehind } from '../object/code-behind.ts';
import { bucketOf, type Operation } from '../operation.ts';

export const headBucket: Operation = {
  name: 'HeadBucket',
  selector: { method: 'HEAD', level: 'bucket' },
  parameters: [],
  body: 'none',
  memory: 'small',
  async run(call) {
    const bucket = bucketOf(call);
    const { context } = call;
    const about = { bucket, headers: context.accountHeaders };
    const response = await context.store.backend.send({ method: 'HEAD', ...about, signal: context.signal });
    discard(response);
    const { status, headers } = response;
    if (status < 200 || status > 299) {
      const sameAsGet = { ...about, query: [['max-keys', '0'] as const] };
      const hasMore = status === 403 || status === 400;
      const answer = hasMore ? await codeBehind(context, sameAsGet, status) : withoutDocument(status);
      // A bucket's name is all that this request says.
      if (status === 400 && (answer.code === '' || answer.code === 'InvalidBucketName')) {
        throw new S3Error('InvalidBucketName', undefined, { details: { BucketName: bucket } });
      }
      throw backendFailure(answer, { operation: 'HeadBucket', bucket });
    }
    return {
      status: 200,
      headers: {
        'x-amz-bucket-region': headers['x-amz-bucket-region'] ?? call.services.region,
        'x-amz-access-point-alias': headers['x-amz-access-point-alias'],
      },
    };
  },
};
