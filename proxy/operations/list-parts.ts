/** ListParts: what was acknowledged, in plaintext sizes and ETags. */

import { xmlReply } from '../http/reply.ts';
import { MAX_LIST_KEYS } from '../limits.ts';
import { checksumElement } from '../multipart/checksums.ts';
import { viewUpload } from '../multipart/current-parts.ts';
import { partEtag } from '../multipart/receipts.ts';
import { etagMode } from '../object/context.ts';
import type { Operation } from '../operation.ts';
import { renderXml } from '../xml/render-xml.ts';
import { pageSize } from './request/list-parameters.ts';
import { uploadOf } from './request/upload-address.ts';

export const listParts: Operation = {
  name: 'ListParts',
  selector: { method: 'GET', level: 'object', subresources: ['uploadId'] },
  parameters: ['max-parts', 'part-number-marker', 'encoding-type'],
  body: 'none',
  memory: 'upload-view',
  async run(call) {
    const { request, tenant } = call;
    const maxParts = pageSize(request, 'max-parts', MAX_LIST_KEYS);
    const marker = pageSize(request, 'part-number-marker', Number.MAX_SAFE_INTEGER);
    const after = request.query.get('part-number-marker') === undefined ? 0 : marker;
    const record = await uploadOf(call);
    const mode = await etagMode(call.context, record.bucket);
    const view = await viewUpload(call.context, record);
    const following = view.parts.filter(({ number }) => number > after);
    const page = following.slice(0, maxParts);
    const { checksum } = record;
    return xmlReply(
      renderXml('ListPartsResult', {
        Bucket: record.bucket,
        Key: record.key,
        UploadId: record.uploadId,
        Initiator: { ID: tenant.id, DisplayName: tenant.id },
        Owner: { ID: tenant.id, DisplayName: tenant.id },
        StorageClass: view.backend.storageClass ?? 'STANDARD',
        PartNumberMarker: after,
        NextPartNumberMarker: page.at(-1)?.number ?? 0,
        MaxParts: maxParts,
        IsTruncated: following.length > page.length,
        ChecksumAlgorithm: checksum?.algorithm,
        ChecksumType: checksum?.type,
        Part: page.map((part) => ({
          PartNumber: part.number,
          LastModified: part.lastModified.toISOString(),
          ETag: `"${partEtag(mode, part)}"`,
          Size: part.size,
          ...(checksum === undefined || part.checksum === undefined
            ? {}
            : { [checksumElement(checksum.algorithm)]: part.checksum.toString('base64') }),
        })),
      }),
    );
  },
};
