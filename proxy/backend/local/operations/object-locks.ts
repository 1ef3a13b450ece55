/** PutObjectRetention, GetObjectRetention, PutObjectLegalHold, GetObjectLegalHold. S3 API reference. */
import { S3Error } from '../../../errors.ts';
import { parseXml } from '../../../xml/render-xml.ts';
import type { BackendResponse } from '../../backend.ts';
import { requireObjectLock } from '../bucket-settings.ts';
import { findObject } from '../find-object.ts';
import { isoTime, type Lock, parseLock, readRetention } from '../locks.ts';
import { versionHeader } from '../object-headers.ts';
import { receiveDocument } from '../receive-body.ts';
import { overrideOf, type StoreRequest, versionParameter } from '../request.ts';
import { reply, xmlReply } from '../respond.ts';
import type { Store } from '../store.ts';

export async function putObjectRetention(store: Store, request: StoreRequest): Promise<BackendResponse> {
  requireObjectLock(store.index.bucket(request.bucket));
  const override = overrideOf(request, store.now());
  const root = parseXml((await receiveDocument(request)).toString(), 'Retention');
  const retention = readRetention(root, override.now);
  const { versionId } = await store.writer.run('setRetention', { ...named(request), retention, override });
  return reply(200, versionHeader(versionId));
}

export async function getObjectRetention(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { retention } = lockOf(store, request);
  if (retention === undefined) throw new S3Error('NoSuchObjectLockConfiguration');
  return xmlReply('Retention', { Mode: retention.mode, RetainUntilDate: isoTime(retention.until) });
}

export async function putObjectLegalHold(store: Store, request: StoreRequest): Promise<BackendResponse> {
  requireObjectLock(store.index.bucket(request.bucket));
  const status = parseXml((await receiveDocument(request)).toString(), 'LegalHold')
    .value('Status')
    ?.trim();
  if (status !== 'ON' && status !== 'OFF') throw new S3Error('MalformedXML');
  const { versionId } = await store.writer.run('setLegalHold', { ...named(request), hold: status === 'ON' });
  return reply(200, versionHeader(versionId));
}

export async function getObjectLegalHold(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { hold } = lockOf(store, request);
  if (hold === undefined) throw new S3Error('NoSuchObjectLockConfiguration');
  return xmlReply('LegalHold', { Status: hold ? 'ON' : 'OFF' });
}

function named({ bucket, key, query }: StoreRequest) {
  return { bucket, key, versionId: versionParameter(query.get('versionId')) };
}

function lockOf(store: Store, request: StoreRequest): Lock {
  requireObjectLock(store.index.bucket(request.bucket));
  return parseLock(findObject(store, request).row.lock);
}
