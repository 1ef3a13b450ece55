/**
 * CopyObject. The data stay where they are: the DEK is wrapped again for the new name, the attributes are sealed again, and the
 * backend copies the body, pinned to the version that was read. Legacy sources are encrypted on the way. ETag, checksums and
 * parts are the source's. S3 API reference, CopyObject.
 */

import { demandsOfTags } from '../access/demands.ts';
import type { Reply } from '../http/reply.ts';
import { requireKeyLength } from '../http/request.ts';
import { checksumElements } from '../object/checksum-elements.ts';
import type { Copied, CopyRequest } from '../object/copy-directives.ts';
import { copyOnce, type Refusals } from '../object/copy-once.ts';
import { retryWhenChanged } from '../object/retry-when-changed.ts';
import type { ObjectAddress } from '../object/stored-object.ts';
import { tagsOf } from '../object/stored-tags.ts';
import { type Call, type Operation, objectOf } from '../operation.ts';
import { renderXml } from '../xml/render-xml.ts';
import { sourceConditions } from './request/conditions.ts';
import { copyDirectives } from './request/copy-directives.ts';
import { copySourceOf, sourceContext } from './request/copy-source.ts';

/** About the new version, passed on. */
const ANSWERED = [
  'x-amz-version-id',
  'x-amz-expiration',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-bucket-key-enabled',
  'x-amz-request-charged',
] as const;

export const copyObject: Operation = {
  name: 'CopyObject',
  selector: { method: 'PUT', level: 'object', copySource: true },
  parameters: [],
  body: 'none',
  memory: 'stream',
  isSlow: true,
  async run(call) {
    const target = objectOf(call);
    requireKeyLength(target.key);
    const source = copySourceOf(call);
    const directives = copyDirectives(call.request);
    const copy = {
      source,
      sourceContext: sourceContext(call),
      sourceConditions: sourceConditions(call.request),
      target,
      directives,
      requireTags: directives.tagging === undefined ? requireTags(call, source) : undefined,
      refusals: { last: undefined } satisfies Refusals,
    };
    return reply(await retryWhenChanged(() => copyOnce(call.context, copy)));
  },
};

/**
 * Whether the source has tags costs a request, which is made for callers alone that may not copy them.
 * @throws S3Error AccessDenied for a source with tags
 */
function requireTags(call: Call, source: ObjectAddress): CopyRequest['requireTags'] {
  const demands = demandsOfTags(source, objectOf(call));
  if (call.gate.wouldAllow(demands)) return undefined;
  return async (context, found) => {
    if (Object.keys(await tagsOf(context, found)).length > 0) await call.gate.require(demands);
  };
}

function reply(copied: Copied): Reply {
  const time = new Date(copied.lastModified ?? Date.now());
  return {
    status: 200,
    headers: {
      'Content-Type': 'application/xml',
      ...Object.fromEntries(ANSWERED.map((name) => [name, copied.headers[name]])),
      'x-amz-copy-source-version-id': copied.source.facts.versionId,
    },
    body: renderXml('CopyObjectResult', {
      LastModified: (Number.isNaN(time.getTime()) ? new Date() : time).toISOString(),
      ETag: `"${copied.etag}"`,
      ...checksumElements(copied.checksums, { partCount: copied.partCount }),
    }),
  };
}
