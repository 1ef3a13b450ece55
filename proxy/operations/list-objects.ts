/** ListObjects, the first version: markers instead of tokens, and an owner in every row. */
import { ask } from '../backend/ask.ts';
import type { QueryParameter } from '../backend/backend.ts';
import { LIST_ENCODING, parseListV1 } from '../backend/list.ts';
import { xmlReply } from '../http/reply.ts';
import type { S3Request } from '../http/request.ts';
import { MAX_LIST_KEYS } from '../limits.ts';
import { etagMode } from '../object/context.ts';
import { encodeListed } from '../object/list-encoding.ts';
import { contentsOf, plainRows } from '../object/listing.ts';
import { bucketOf, type Operation } from '../operation.ts';
import { renderXml } from '../xml/render-xml.ts';
import { encodedParameter, forwarded, pageSize, wantsEncoding } from './request/list-parameters.ts';

const FORWARDED = ['prefix', 'delimiter', 'marker'] as const;

export const listObjects: Operation = {
  name: 'ListObjects',
  selector: { method: 'GET', level: 'bucket' },
  parameters: [...FORWARDED, 'max-keys', 'encoding-type'],
  body: 'none',
  memory: 'listing',
  async run(call) {
    const bucket = bucketOf(call);
    const { request } = call;
    const etags = await etagMode(call.context, bucket);
    const prefix = request.query.get('prefix') ?? '';
    const encode = wantsEncoding(request);
    const maxKeys = pageSize(request, 'max-keys', MAX_LIST_KEYS);
    const { document } = await ask(call.context, 'ListObjects', {
      method: 'GET',
      bucket,
      query: [...forwarded(request, FORWARDED), ['max-keys', String(maxKeys)], LIST_ENCODING],
      headers: call.context.accountHeaders,
    });
    const page = parseListV1(document);
    const { rows } = await plainRows(
      call.context,
      { bucket, prefix, etags },
      page.objects,
      byVersion2(request, maxKeys),
    );
    const delimiter = encodedParameter(request, 'delimiter', encode);
    // S3 names the next marker only with a delimiter; without one clients take the last key.
    const nextMarker = page.isTruncated && delimiter !== undefined ? page.nextMarker : undefined;
    return xmlReply(
      renderXml('ListBucketResult', {
        Name: bucket,
        Prefix: encodeListed(prefix, { encode }),
        Marker: encodeListed(request.query.get('marker') ?? '', { encode }),
        NextMarker: nextMarker === undefined ? undefined : encodeListed(nextMarker, { encode }),
        MaxKeys: maxKeys,
        Delimiter: delimiter,
        EncodingType: encode ? 'url' : undefined,
        IsTruncated: page.isTruncated,
        Contents: contentsOf(rows, { encode, owner: true }),
        CommonPrefixes: page.commonPrefixes.map((prefix) => ({ Prefix: encodeListed(prefix, { encode }) })),
      }),
    );
  },
};

/** The same page by version 2, which alone can show metadata. */
function byVersion2(request: S3Request, maxKeys: number): QueryParameter[] {
  const marker = request.query.get('marker') ?? '';
  return [
    ['list-type', '2'],
    ...forwarded(request, ['prefix', 'delimiter']),
    ...(marker === '' ? [] : [['start-after', marker] as const]),
    ['max-keys', String(maxKeys)],
    LIST_ENCODING,
  ];
}
