/** PutBucketVersioning and GetBucketVersioning. S3 API reference. */
import { S3Error } from '../../../errors.ts';
import { parseXml } from '../../../xml/render-xml.ts';
import type { BackendResponse } from '../../backend.ts';
import { receiveDocument } from '../receive-body.ts';
import type { StoreRequest } from '../request.ts';
import { reply, xmlReply } from '../respond.ts';
import type { Store } from '../store.ts';

export async function putBucketVersioning(store: Store, request: StoreRequest): Promise<BackendResponse> {
  store.index.bucket(request.bucket);
  const configuration = parseXml((await receiveDocument(request)).toString(), 'VersioningConfiguration');
  if (configuration.value('MfaDelete')?.trim() === 'Enabled') throw new S3Error('NotImplemented');
  const status = configuration.value('Status')?.trim();
  if (status !== 'Enabled' && status !== 'Suspended') throw new S3Error('MalformedXML');
  await store.writer.run('setVersioning', { bucket: request.bucket, status });
  return reply(200);
}

export async function getBucketVersioning(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { versioning } = store.index.bucket(request.bucket);
  return xmlReply('VersioningConfiguration', { Status: versioning === '' ? undefined : versioning });
}
