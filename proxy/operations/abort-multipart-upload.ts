/**
 * AbortMultipartUpload: the backend's parts first, then the state. Some stores find an upload by its id alone: without a record of
 * the caller's tenant under this bucket and key, the id may be anybody's upload.
 */
import { ask } from '../backend/ask.ts';
import { S3Error } from '../errors.ts';
import { readNames } from '../multipart/receipts.ts';
import { recordLast, removeState } from '../multipart/remove-state.ts';
import { noSuchUpload, requireUpload, uploadIdOf } from '../multipart/upload-record.ts';
import { namingTheMissing } from '../object/missing.ts';
import type { Operation } from '../operation.ts';
import { uploadAddress } from './request/upload-address.ts';

export const abortMultipartUpload: Operation = {
  name: 'AbortMultipartUpload',
  selector: { method: 'DELETE', level: 'object', subresources: ['uploadId'] },
  parameters: [],
  body: 'none',
  memory: 'upload-view',
  async run(call) {
    const address = uploadAddress(call);
    const { bucket, key, uploadId } = address;
    await namingTheMissing(call.context, address, requireUpload(call.context, address, { fresh: true }));
    const headers = call.context.accountHeaders;
    const failure = await ask(call.context, 'AbortMultipartUpload', {
      method: 'DELETE',
      bucket,
      key,
      query: [['uploadId', uploadId]],
      headers,
    }).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure !== undefined && !(failure instanceof S3Error && failure.code === 'NoSuchUpload')) throw failure;
    const id = uploadIdOf(address);
    const { backend, state, uploads } = call.context.store;
    uploads.delete(call.tenant.id, id);
    await removeState(
      { backend, state, signal: call.context.signal },
      recordLast(id, await readNames(call.context, id)),
    );
    if (failure !== undefined) throw noSuchUpload(address);
    return { status: 204 };
  },
};
