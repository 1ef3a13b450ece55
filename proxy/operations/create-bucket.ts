/** CreateBucket, passed on. */
import { ask } from '../backend/ask.ts';
import { collectBody } from '../body/verified-body.ts';
import { S3Error } from '../errors.ts';
import { MAX_CREATE_BUCKET_BYTES } from '../limits.ts';
import { bodyOf, bucketOf, type Operation } from '../operation.ts';
import { parseXml, renderXml, xmlText } from '../xml/render-xml.ts';
import { storageHeaders } from './request/client-headers.ts';

/** S3 user guide, "Bucket naming rules". */
const BUCKET_NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export const createBucket: Operation = {
  name: 'CreateBucket',
  selector: { method: 'PUT', level: 'bucket' },
  parameters: [],
  body: 'document',
  memory: 'small',
  async run(call) {
    const bucket = bucketOf(call);
    if (!BUCKET_NAME.test(bucket) || bucket.includes('..') || /^\d+\.\d+\.\d+\.\d+$/.test(bucket)) {
      throw new S3Error('InvalidBucketName', undefined, { details: { BucketName: bucket } });
    }
    const document = await collectBody(bodyOf(call), { maxBytes: MAX_CREATE_BUCKET_BYTES, tooLarge: 'MalformedXML' });
    const constraint = locationConstraint(xmlText(document));
    const body =
      constraint === undefined
        ? Buffer.alloc(0)
        : Buffer.from(renderXml('CreateBucketConfiguration', { LocationConstraint: constraint }));
    const headers = storageHeaders(call.request);
    await ask(call.context, 'CreateBucket', { method: 'PUT', bucket, headers, body });
    return { status: 200, headers: { Location: `/${bucket}` } };
  },
};

function locationConstraint(document: string): string | undefined {
  if (document.trim() === '') return undefined;
  const constraint = parseXml(document, 'CreateBucketConfiguration').value('LocationConstraint')?.trim();
  return constraint === '' ? undefined : constraint;
}
