/**
 * PutBucketLogging, passed on for target buckets that the caller may configure too. The log is the backend's: it names the
 * proxy as requester and ciphertext sizes. S3 API reference, PutBucketLogging.
 */
import { bucketResource } from '../access/resource.ts';
import { checkedBucket } from '../http/request.ts';
import type { XmlNode } from '../xml/render-xml.ts';
import { passThrough } from './pass-through.ts';

export const putBucketLogging = passThrough({
  name: 'PutBucketLogging',
  method: 'PUT',
  level: 'bucket',
  subresource: 'logging',
  document: { root: 'BucketLoggingStatus' },
  async check({ gate }, root) {
    const buckets = [...new Set(targets(root))];
    await gate.require(
      buckets.map((bucket) => ({ action: 's3:PutBucketLogging', resource: bucketResource(checkedBucket(bucket)) })),
    );
  },
});

function targets(node: XmlNode): readonly string[] {
  const own = node.children('TargetBucket').map(({ text }) => text.trim());
  const below = node.childNames().flatMap((name) => node.children(name).flatMap(targets));
  return [...own, ...below];
}
