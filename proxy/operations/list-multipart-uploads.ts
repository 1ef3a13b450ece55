/** ListMultipartUploads, passed on: it names keys, upload ids and times, none of which is sealed. */
import { parseAnswer } from '../backend/answer-xml.ts';
import { ask } from '../backend/ask.ts';
import { decodeListedName, LIST_ENCODING } from '../backend/list.ts';
import { xmlReply } from '../http/reply.ts';
import { MAX_LIST_KEYS } from '../limits.ts';
import { encodeListed } from '../object/list-encoding.ts';
import { bucketOf, type Operation } from '../operation.ts';
import { renderXml } from '../xml/render-xml.ts';
import { encodedParameter, forwarded, pageSize, wantsEncoding } from './request/list-parameters.ts';

const FORWARDED = ['prefix', 'delimiter', 'key-marker', 'upload-id-marker'] as const;

export const listMultipartUploads: Operation = {
  name: 'ListMultipartUploads',
  selector: { method: 'GET', level: 'bucket', subresources: ['uploads'] },
  parameters: [...FORWARDED, 'max-uploads', 'encoding-type'],
  body: 'none',
  memory: 'listing',
  async run(call) {
    const bucket = bucketOf(call);
    const { request, tenant } = call;
    const encode = wantsEncoding(request);
    const maxUploads = pageSize(request, 'max-uploads', MAX_LIST_KEYS);
    const { document } = await ask(call.context, 'ListMultipartUploads', {
      method: 'GET',
      bucket,
      query: [['uploads', ''], ...forwarded(request, FORWARDED), ['max-uploads', String(maxUploads)], LIST_ENCODING],
      headers: call.context.accountHeaders,
    });
    const root = parseAnswer(document, 'ListMultipartUploadsResult');
    const encoded = root.value('EncodingType')?.trim() === 'url';
    const name = (text: string | undefined) =>
      text === undefined ? undefined : encodeListed(encoded ? decodeListedName(text) : text, { encode });
    const truncated = root.value('IsTruncated')?.trim() === 'true';
    return xmlReply(
      renderXml('ListMultipartUploadsResult', {
        Bucket: bucket,
        KeyMarker: encodeListed(request.query.get('key-marker') ?? '', { encode }),
        UploadIdMarker: request.query.get('upload-id-marker') ?? '',
        NextKeyMarker: truncated ? name(root.value('NextKeyMarker')) : undefined,
        NextUploadIdMarker: truncated ? root.value('NextUploadIdMarker') : undefined,
        Prefix: encodedParameter(request, 'prefix', encode),
        Delimiter: encodedParameter(request, 'delimiter', encode),
        MaxUploads: maxUploads,
        EncodingType: encode ? 'url' : undefined,
        IsTruncated: truncated,
        Upload: root.children('Upload').map((row) => ({
          Key: name(row.value('Key')),
          UploadId: row.value('UploadId'),
          Initiator: { ID: tenant.id, DisplayName: tenant.id },
          Owner: { ID: tenant.id, DisplayName: tenant.id },
          StorageClass: row.value('StorageClass') ?? 'STANDARD',
          Initiated: row.value('Initiated'),
        })),
        CommonPrefixes: root
          .children('CommonPrefixes')
          .flatMap((group) => group.children('Prefix').map((prefix) => ({ Prefix: name(prefix.text) }))),
      }),
    );
  },
};
