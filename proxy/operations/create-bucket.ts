/** CreateBucket, passed on. */
import { ask } from '../backend/ask.ts';
import { collectBody } from '../body/verified-body.ts';
import { S3Error } from '../errors.ts';
import { MAX_CREATE_BUCKET_BYTES } from '../limits.ts';
import { bodyOf, bucketOf, type Operation } from '../operation.ts';
import { parseXml, renderXml, type XmlElement, xmlText } from '../xml/render-xml.ts';
import { bucketHeaders } from './request/client-headers.ts';

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
    const configuration = bucketConfiguration(xmlText(document));
    const body = Buffer.from(configuration === undefined ? '' : renderXml('CreateBucketConfiguration', configuration));
    const headers = bucketHeaders(call.request);
    requireOwnership(headers['x-amz-object-ownership']);
    await ask(call.context, 'CreateBucket', { method: 'PUT', bucket, headers, body });
    return { status: 200, headers: { Location: `/${bucket}` } };
  },
};

const OWNERSHIPS: ReadonlySet<string> = new Set(['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter']);

/** Some stores take any value, and none of them then means anything. @throws S3Error InvalidArgument */
function requireOwnership(ownership: string | undefined): void {
  if (ownership === undefined || OWNERSHIPS.has(ownership)) return;
  throw new S3Error('InvalidArgument', `Invalid x-amz-object-ownership header: ${ownership}`, {
    details: { ArgumentName: 'x-amz-object-ownership', ArgumentValue: ownership },
  });
}

/**
 * The region and the tags, written anew. The other elements describe directory buckets.
 * @throws S3Error MalformedXML, NotImplemented
 */
function bucketConfiguration(document: string): XmlElement | undefined {
  if (document.trim() === '') return undefined;
  const root = parseXml(document, 'CreateBucketConfiguration');
  const other = root.childNames().find((name) => name !== 'LocationConstraint' && name !== 'Tags');
  if (other !== undefined) {
    throw new S3Error('NotImplemented', `The element ${other} is for directory buckets, which are not implemented.`);
  }
  const constraint = root.value('LocationConstraint')?.trim();
  const tags = root.child('Tags')?.children('Tag') ?? [];
  if ((constraint === undefined || constraint === '') && tags.length === 0) return undefined;
  return {
    LocationConstraint: constraint === '' ? undefined : constraint,
    Tags:
      tags.length === 0
        ? undefined
        : { Tag: tags.map((tag) => ({ Key: tag.value('Key'), Value: tag.value('Value') })) },
  };
}
