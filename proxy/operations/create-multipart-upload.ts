/** CreateMultipartUpload: the DEK and the sealed attributes go to the backend as the future object's metadata. */
import { parseAnswer } from '../backend/answer-xml.ts';
import { ask } from '../backend/ask.ts';
import { BackendUnavailable } from '../backend/backend.ts';
import { discard } from '../backend/read-body.ts';
import { xmlReply } from '../http/reply.ts';
import { UPLOAD_ABANDON_TIMEOUT_MS } from '../limits.ts';
import type { UploadAddress } from '../multipart/upload.ts';
import { draftUpload, saveUpload } from '../multipart/upload-record.ts';
import { toBackendHeaders } from '../object/stored-metadata.ts';
import { type Call, type Operation, objectOf } from '../operation.ts';
import { renderXml } from '../xml/render-xml.ts';
import { clientAttributes, storageHeaders } from './request/client-headers.ts';
import { uploadChecksum } from './request/upload-checksum.ts';

export const createMultipartUpload: Operation = {
  name: 'CreateMultipartUpload',
  selector: { method: 'POST', level: 'object', subresources: ['uploads'] },
  parameters: [],
  body: 'none',
  memory: 'small',
  async run(call) {
    const { bucket, key } = objectOf(call);
    const { request } = call;
    const storage = storageHeaders(request);
    const checksum = uploadChecksum(request);
    const draft = draftUpload(call.context, { bucket, key, attributes: clientAttributes(request) });
    const { document, headers } = await ask(call.context, 'CreateMultipartUpload', {
      method: 'POST',
      bucket,
      key,
      query: [['uploads', '']],
      headers: { ...storage, ...toBackendHeaders(draft.header) },
      body: Buffer.alloc(0),
    });
    const uploadId = parseAnswer(document, 'InitiateMultipartUploadResult').value('UploadId');
    if (uploadId === undefined || uploadId === '') throw new BackendUnavailable('it gave no upload id');
    const address = { bucket, key, uploadId };
    try {
      await saveUpload(call.context, address, draft, checksum);
    } catch (error) {
      await abandon(call, address);
      throw error;
    }
    const reply = xmlReply(
      renderXml('InitiateMultipartUploadResult', { Bucket: bucket, Key: key, UploadId: uploadId }),
    );
    return {
      ...reply,
      headers: {
        ...reply.headers,
        'x-amz-abort-date': headers['x-amz-abort-date'],
        'x-amz-abort-rule-id': headers['x-amz-abort-rule-id'],
        'x-amz-server-side-encryption': headers['x-amz-server-side-encryption'],
        'x-amz-checksum-algorithm': checksum?.algorithm,
        'x-amz-checksum-type': checksum?.type,
      },
    };
  },
};

/** Without a record no part can come: best effort to leave nothing behind. */
async function abandon(call: Call, { bucket, key, uploadId }: UploadAddress): Promise<void> {
  try {
    const query = [['uploadId', uploadId]] as const;
    const signal = AbortSignal.timeout(UPLOAD_ABANDON_TIMEOUT_MS);
    discard(await call.context.store.backend.send({ method: 'DELETE', bucket, key, query, signal }));
  } catch {
    // The failure that led here is the one to report; the bucket's lifecycle rule removes the rest.
  }
}
