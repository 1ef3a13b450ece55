/** PutObjectLockConfiguration and GetObjectLockConfiguration. S3 API reference. */
import { S3Error } from '../../../errors.ts';
import { parseXml } from '../../../xml/render-xml.ts';
import type { BackendResponse } from '../../backend.ts';
import { settingsOf } from '../bucket-settings.ts';
import { readDefaultRetention } from '../locks.ts';
import { receiveDocument } from '../receive-body.ts';
import type { StoreRequest } from '../request.ts';
import { reply, xmlReply } from '../respond.ts';
import type { Store } from '../store.ts';

export async function putObjectLockConfiguration(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket } = request;
  store.index.bucket(bucket);
  const root = parseXml((await receiveDocument(request)).toString(), 'ObjectLockConfiguration');
  if (root.value('ObjectLockEnabled')?.trim() !== 'Enabled') throw new S3Error('MalformedXML');
  const rule = root.child('Rule');
  const retention = rule === undefined ? undefined : readDefaultRetention(rule);
  await store.writer.run('setObjectLock', { bucket, retention });
  return reply(200);
}

export async function getObjectLockConfiguration(store: Store, { bucket }: StoreRequest): Promise<BackendResponse> {
  const { objectLock } = settingsOf(store.index.bucket(bucket));
  if (objectLock === undefined) {
    throw new S3Error('ObjectLockConfigurationNotFoundError', undefined, { details: { BucketName: bucket } });
  }
  const { retention } = objectLock;
  return xmlReply('ObjectLockConfiguration', {
    ObjectLockEnabled: 'Enabled',
    Rule:
      retention === undefined
        ? undefined
        : { DefaultRetention: { Mode: retention.mode, Days: retention.days, Years: retention.years } },
  });
}
