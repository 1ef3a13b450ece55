/**
 * PutBucketLogging, passed on for target buckets that the caller may configure too. The log is the backend's: it names the
 * proxy as requester and ciphertext sizes. S3 API reference, PutBucketLogging.
 */
import { authorise } from '../access/authorise.ts';
import { S3Error } from '../errors.ts';
import type { XmlNode } from '../xml/render-xml.ts';
import { passThrough } from './pass-through.ts';

export const putBucketLogging = passThrough({
  name: 'PutBucketLogging',
  method: 'PUT',
  level: 'bucket',
  subresource: 'logging',
  access: 'bucket-write',
  document: { root: 'BucketLoggingStatus' },
  check(call, { text, root }) {
    // Text in pieces could name one bucket here and another to the backend's parser.
    if (/<!|<\?(?!xml\s)/.test(text)) throw new S3Error('MalformedXML', 'Comments and CDATA are not accepted here.');
    const { tenant, services } = call;
    for (const bucket of targets(root)) {
      const target = { bucket, key: undefined, prefix: undefined };
      authorise({ operation: putBucketLogging, grants: tenant.grants, target, stateBucket: services.stateBucket });
    }
  },
});

function targets(node: XmlNode): readonly string[] {
  const own = node.children('TargetBucket').map(({ text }) => text.trim());
  const below = node.childNames().flatMap((name) => node.children(name).flatMap(targets));
  return [...own, ...below];
}
