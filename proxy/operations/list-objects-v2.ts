/** ListObjectsV2: the backend's page, with each row as HEAD would describe it. */
import { createHash } from 'node:crypto';
import { askFor } from '../backend/ask.ts';
import type { QueryParameter } from '../backend/backend.ts';
import { LIST_ENCODING, parseListV2 } from '../backend/list.ts';
import { S3Error } from '../errors.ts';
import { xmlReply } from '../http/reply.ts';
import type { S3Request } from '../http/request.ts';
import { MAX_LIST_KEYS } from '../limits.ts';
import { etagMode } from '../object/context.ts';
import { encodeListed } from '../object/list-encoding.ts';
import { pageId } from '../object/listed-pages.ts';
import { contentsOf, plainRows } from '../object/listing.ts';
import { bucketOf, type Operation } from '../operation.ts';
import { renderXml } from '../xml/render-xml.ts';
import { encodedParameter, forwarded, pageSize, wantsEncoding } from './request/list-parameters.ts';

const FORWARDED = ['prefix', 'delimiter', 'start-after', 'continuation-token', 'fetch-owner'] as const;

export const listObjectsV2: Operation = {
  name: 'ListObjectsV2',
  selector: { method: 'GET', level: 'bucket', subresources: ['list-type'] },
  parameters: [...FORWARDED, 'max-keys', 'encoding-type'],
  body: 'none',
  memory: 'listing',
  async run(call) {
    const bucket = bucketOf(call);
    const { request } = call;
    requireVersion2(request);
    const etags = await etagMode(call.context, bucket);
    const prefix = request.query.get('prefix') ?? '';
    const encode = wantsEncoding(request);
    const maxKeys = pageSize(request, 'max-keys', MAX_LIST_KEYS);
    // While it comes: a page that is known then costs no more than that.
    const digest = createHash('sha256');
    const query: QueryParameter[] = [
      ['list-type', '2'],
      ...forwarded(request, FORWARDED),
      ['max-keys', String(maxKeys)],
      LIST_ENCODING,
    ];
    const found = await askFor(
      call.context,
      'ListObjectsV2',
      { method: 'GET', bucket, query, headers: call.context.accountHeaders },
      {
        onPiece: (piece) => digest.update(piece),
        use: (document) => {
          const asked = [etags, ...listObjectsV2.parameters.map((name) => request.query.get(name) ?? null)];
          const id = pageId({ tenant: call.tenant.id, bucket, asked, page: digest });
          return call.services.pages.get(id) ?? { id, page: parseListV2(document) };
        },
      },
    );
    if (Buffer.isBuffer(found)) return xmlReply(found);
    const { id, page } = found;
    const { rows, isKnown } = await plainRows(call.context, { bucket, prefix, etags }, page.objects, query);
    const owner = request.query.get('fetch-owner') === 'true';
    const reply = Buffer.from(
      renderXml('ListBucketResult', {
        Name: bucket,
        Prefix: encodeListed(prefix, { encode }),
        StartAfter: encodedParameter(request, 'start-after', encode),
        ContinuationToken: request.query.get('continuation-token'),
        NextContinuationToken: page.isTruncated ? page.nextToken : undefined,
        KeyCount: rows.length + page.commonPrefixes.length,
        MaxKeys: maxKeys,
        Delimiter: encodedParameter(request, 'delimiter', encode),
        EncodingType: encode ? 'url' : undefined,
        IsTruncated: page.isTruncated,
        Contents: contentsOf(rows, { encode, owner }),
        CommonPrefixes: page.commonPrefixes.map((prefix) => ({ Prefix: encodeListed(prefix, { encode }) })),
      }),
    );
    if (isKnown) call.services.pages.add(id, reply);
    return xmlReply(reply);
  },
};

function requireVersion2(request: S3Request): void {
  if (request.query.get('list-type') === '2') return;
  throw new S3Error('InvalidArgument', 'Invalid List Type specified in Request', {
    details: { ArgumentName: 'list-type', ArgumentValue: request.query.get('list-type') ?? '' },
  });
}
