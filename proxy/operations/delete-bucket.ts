/** DeleteBucket, passed on: the backend knows whether it is empty. */
import { ask } from '../backend/ask.ts';
import { bucketOf, type Operation } from '../operation.ts';

export const deleteBucket: Operation = {
  name: 'DeleteBucket',
  selector: { method: 'DELETE', level: 'bucket' },
  parameters: [],
  body: 'none',
  memory: 'small',
  async run(call) {
    const bucket = bucketOf(call);
    await ask(call.context, 'DeleteBucket', { method: 'DELETE', bucket, headers: call.context.accountHeaders });
    return { status: 204 };
  },
};
