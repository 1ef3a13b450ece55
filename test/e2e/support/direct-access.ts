/** Reading and writing what the store holds, behind the program's back: what a provider or a thief could do. */
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { openLocalBackend } from '../../../proxy/backend/local/local.ts';
import { storeDirectly, storedKeys, storedObject } from '../../helpers/stored.ts';
import type { StoreUnderTest } from './store-under-test.ts';

export interface KeptObject {
  readonly body: Buffer;
  /** Names without `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface DirectAccess {
  read(bucket: string, key: string): Promise<KeptObject>;
  write(bucket: string, key: string, object: KeptObject): Promise<void>;
  /** Every key of a bucket, the first thousand of a server's. */
  keys(bucket: string): Promise<readonly string[]>;
}

/** The embedded store must not be in use by another process that caches what is changed here. */
export async function withDirectAccess<T>(store: StoreUnderTest, work: (at: DirectAccess) => Promise<T>): Promise<T> {
  if (store.client !== undefined) return work(byClient(store.client));
  const directory = (store.settings['SEALGATE_BACKEND'] ?? '').replace(/^local:/, '');
  const backend = await openLocalBackend({ directory });
  try {
    return await work({
      read: (bucket, key) => storedObject(backend, bucket, key),
      write: (bucket, key, object) => storeDirectly(backend, { bucket, key, ...object }),
      keys: (bucket) => storedKeys(backend, bucket),
    });
  } finally {
    await backend.close();
  }
}

function byClient(client: S3Client): DirectAccess {
  return {
    async read(Bucket, Key) {
      const { Body, Metadata = {} } = await client.send(new GetObjectCommand({ Bucket, Key }));
      return { body: Buffer.from((await Body?.transformToByteArray()) ?? []), metadata: Metadata };
    },
    async write(Bucket, Key, { body, metadata }) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body: body, Metadata: { ...metadata } }));
    },
    async keys(Bucket) {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
      return Contents.map(({ Key = '' }) => Key);
    },
  };
}
