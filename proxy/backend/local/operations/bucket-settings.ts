/**
 * Ownership controls, the public access block, default encryption and CORS: kept and answered. In a store of one owner without
 * anonymous access the first two forbid nothing that would be allowed, but for public ACLs (honoured-headers.ts); SSE-S3 holds
 * anyway, and the proxy answers preflight requests. S3 API reference, operations of the same names.
 */
import { S3Error } from '../../../errors.ts';
import { parseXml } from '../../../xml/render-xml.ts';
import type { BackendResponse } from '../../backend.ts';
import { ACCESS_BLOCKS, type AccessBlock, isOwnership, settingsOf } from '../bucket-settings.ts';
import { receiveDocument } from '../receive-body.ts';
import type { StoreRequest } from '../request.ts';
import { documentReply, reply, xmlReply } from '../respond.ts';
import type { Store } from '../store.ts';

export async function putOwnershipControls(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket } = request;
  store.index.bucket(bucket);
  const root = parseXml((await receiveDocument(request)).toString(), 'OwnershipControls');
  const [rule, ...more] = root.children('Rule');
  const ownership = rule?.value('ObjectOwnership')?.trim();
  if (!isOwnership(ownership) || more.length > 0) throw new S3Error('MalformedXML');
  await store.writer.run('setBucketSettings', { bucket, settings: { ownership } });
  return reply(200);
}

export async function getOwnershipControls(store: Store, { bucket }: StoreRequest): Promise<BackendResponse> {
  const { ownership } = settingsOf(store.index.bucket(bucket));
  if (ownership === undefined) {
    throw new S3Error('OwnershipControlsNotFoundError', undefined, { details: { BucketName: bucket } });
  }
  return xmlReply('OwnershipControls', { Rule: { ObjectOwnership: ownership } });
}

export async function deleteOwnershipControls(store: Store, { bucket }: StoreRequest): Promise<BackendResponse> {
  await store.writer.run('setBucketSettings', { bucket, settings: { ownership: undefined } });
  return reply(204);
}

export async function putPublicAccessBlock(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket } = request;
  store.index.bucket(bucket);
  const root = parseXml((await receiveDocument(request)).toString(), 'PublicAccessBlockConfiguration');
  const accessBlock = Object.fromEntries(
    ACCESS_BLOCKS.map((name) => [name, readSwitch(root.value(name))]),
  ) as unknown as AccessBlock;
  await store.writer.run('setBucketSettings', { bucket, settings: { accessBlock } });
  return reply(200);
}

export async function getPublicAccessBlock(store: Store, { bucket }: StoreRequest): Promise<BackendResponse> {
  const { accessBlock } = settingsOf(store.index.bucket(bucket));
  if (accessBlock === undefined) {
    throw new S3Error('NoSuchPublicAccessBlockConfiguration', undefined, { details: { BucketName: bucket } });
  }
  return xmlReply('PublicAccessBlockConfiguration', { ...accessBlock });
}

export async function deletePublicAccessBlock(store: Store, { bucket }: StoreRequest): Promise<BackendResponse> {
  await store.writer.run('setBucketSettings', { bucket, settings: { accessBlock: undefined } });
  return reply(204);
}

/** Reads a switch. A switch that is left out is off. @throws S3Error MalformedXML */
function readSwitch(text: string | undefined): boolean {
  const value = text?.trim().toLowerCase() ?? 'false';
  if (value !== 'true' && value !== 'false') throw new S3Error('MalformedXML');
  return value === 'true';
}

export async function putBucketEncryption(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket } = request;
  store.index.bucket(bucket);
  const root = parseXml((await receiveDocument(request)).toString(), 'ServerSideEncryptionConfiguration');
  const [rule, ...more] = root.children('Rule');
  const algorithm = rule?.child('ApplyServerSideEncryptionByDefault')?.value('SSEAlgorithm')?.trim();
  if (algorithm === undefined || more.length > 0) throw new S3Error('MalformedXML');
  if (algorithm !== 'AES256') throw new S3Error('NotImplemented');
  await store.writer.run('setBucketSettings', { bucket, settings: { encryption: true } });
  return reply(200);
}

export async function getBucketEncryption(store: Store, { bucket }: StoreRequest): Promise<BackendResponse> {
  if (settingsOf(store.index.bucket(bucket)).encryption === undefined) {
    const details = { BucketName: bucket };
    throw new S3Error('ServerSideEncryptionConfigurationNotFoundError', undefined, { details });
  }
  const rule = { ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' }, BucketKeyEnabled: false };
  return xmlReply('ServerSideEncryptionConfiguration', { Rule: rule });
}

export async function deleteBucketEncryption(store: Store, { bucket }: StoreRequest): Promise<BackendResponse> {
  await store.writer.run('setBucketSettings', { bucket, settings: { encryption: undefined } });
  return reply(204);
}

export async function putBucketCors(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket } = request;
  store.index.bucket(bucket);
  const document = (await receiveDocument(request)).toString();
  if (parseXml(document, 'CORSConfiguration').children('CORSRule').length === 0) throw new S3Error('MalformedXML');
  await store.writer.run('setDocument', { bucket, name: 'cors', document });
  return reply(200);
}

export async function getBucketCors(store: Store, { bucket }: StoreRequest): Promise<BackendResponse> {
  const document = store.index.document(store.index.bucket(bucket).id, 'cors');
  if (document === undefined) {
    throw new S3Error('NoSuchCORSConfiguration', undefined, { details: { BucketName: bucket } });
  }
  return documentReply(200, document);
}

export async function deleteBucketCors(store: Store, { bucket }: StoreRequest): Promise<BackendResponse> {
  await store.writer.run('setDocument', { bucket, name: 'cors' });
  return reply(204);
}
