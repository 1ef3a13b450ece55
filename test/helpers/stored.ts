/** Looking at, and meddling with, what a backend holds: behind the proxy's back. */
import type { Backend, BackendRequest, BackendResponse, QueryParameter } from '../../proxy/backend/backend.ts';
import { parseListV2, parseListVersions } from '../../proxy/backend/list.ts';
import { readBody } from '../../proxy/backend/read-body.ts';

export interface StoredCopy {
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** x-amz-meta-* without the prefix. */
  readonly metadata: Readonly<Record<string, string>>;
}

const signal = () => AbortSignal.timeout(60_000);

export async function askStore(
  backend: Backend,
  request: Omit<BackendRequest, 'signal'>,
): Promise<{ response: BackendResponse; body: Buffer }> {
  const response = await backend.send({ ...request, signal: signal() });
  return { response, body: await readBody(response, { maxBytes: 64 * 1024 * 1024 }) };
}

async function demand(backend: Backend, request: Omit<BackendRequest, 'signal'>, status: number) {
  const answer = await askStore(backend, request);
  if (answer.response.status === status) return answer;
  throw new Error(`the store answered ${answer.response.status} to ${request.method}: ${answer.body.toString()}`);
}

export async function storedObject(backend: Backend, bucket: string, key: string): Promise<StoredCopy> {
  const { response, body } = await demand(backend, { method: 'GET', bucket, key }, 200);
  const metadata = Object.entries(response.headers)
    .filter(([name]) => name.startsWith('x-amz-meta-'))
    .map(([name, value]) => [name.slice('x-amz-meta-'.length), value]);
  return { body, headers: response.headers, metadata: Object.fromEntries(metadata) };
}

/** Puts a body with metadata straight into the store. */
export async function storeDirectly(
  backend: Backend,
  o: {
    bucket: string;
    key: string;
    body: Buffer | string;
    metadata?: Readonly<Record<string, string>>;
    headers?: Record<string, string>;
  },
): Promise<void> {
  const metadata = Object.entries(o.metadata ?? {}).map(([name, value]) => [`x-amz-meta-${name}`, value]);
  const headers = { ...Object.fromEntries(metadata), ...o.headers };
  await demand(backend, { method: 'PUT', bucket: o.bucket, key: o.key, headers, body: Buffer.from(o.body) }, 200);
}

/** Every key of a bucket. */
export async function storedKeys(backend: Backend, bucket: string): Promise<string[]> {
  const keys: string[] = [];
  let token: string | undefined;
  do {
    const query: QueryParameter[] = [
      ['list-type', '2'],
      ['encoding-type', 'url'],
      ...(token === undefined ? [] : [['continuation-token', token] as const]),
    ];
    const { body } = await demand(backend, { method: 'GET', bucket, query }, 200);
    const page = parseListV2(body);
    keys.push(...page.objects.map(({ key }) => key));
    token = page.isTruncated ? page.nextToken : undefined;
  } while (token !== undefined);
  return keys;
}

/** Everything about a bucket's contents that a write could change: keys, ETags, times, versions, uploads. */
export async function fingerprintOf(backend: Backend, bucket: string): Promise<string> {
  const exists = await askStore(backend, { method: 'HEAD', bucket });
  if (exists.response.status !== 200) return `no bucket: ${exists.response.status}`;
  const versions = await askStore(backend, { method: 'GET', bucket, query: [['versions', '']] });
  const uploads = await askStore(backend, { method: 'GET', bucket, query: [['uploads', '']] });
  const versioning = await askStore(backend, { method: 'GET', bucket, query: [['versioning', '']] });
  const tagging = await askStore(backend, { method: 'GET', bucket, query: [['tagging', '']] });
  const rows = parseListVersions(versions.body).versions;
  const objectTags: string[] = [];
  for (const { key } of rows) {
    const tags = await askStore(backend, { method: 'GET', bucket, key, query: [['tagging', '']] });
    objectTags.push(tags.body.toString().replace(/<(RequestId|HostId)>[^<]*/g, ''));
  }
  const uploadIds = [...uploads.body.toString().matchAll(/<UploadId>([^<]*)/g)].map(([, id]) => id);
  const bucketTags = tagging.body.toString().replace(/<(RequestId|HostId)>[^<]*/g, '');
  return JSON.stringify({ rows, uploadIds, versioning: versioning.body.toString(), bucketTags, objectTags });
}
