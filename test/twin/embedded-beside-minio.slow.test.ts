/**
 * Protects: the embedded store, bare, takes and refuses about object locks and suspended versions what MinIO, bare, takes and refuses;
 * where the words of a refusal differ, the embedded store has S3's, and the difference is named here.
 */
import { afterAll, expect, test } from 'vitest';
import { temporaryStore } from '../helpers/bench.ts';
import { startMinio } from '../helpers/minio.ts';
import { type Header, md5Header, type RawReply, type SigningCredentials, sendSigned } from '../helpers/raw-client.ts';
import { serveBare } from './bare-server.ts';

interface Store {
  readonly endpoint: string;
  readonly credentials: SigningCredentials;
}

interface Step {
  readonly name: string;
  readonly method: string;
  readonly bucket: string;
  readonly key?: string;
  /** `{name}` stands for the version that the step of that name made. */
  readonly query?: string;
  readonly headers?: readonly Header[];
  readonly body?: string;
}

const BYPASS: Header = ['x-amz-bypass-governance-retention', 'true'];
const UNTIL = '2060-01-01T00:00:00Z';
const LATER = '2061-01-01T00:00:00Z';
const locked = (mode: string, until = UNTIL): readonly Header[] => [
  ['x-amz-object-lock-mode', mode],
  ['x-amz-object-lock-retain-until-date', until],
];
const retention = (mode: string, until: string) =>
  `<Retention><Mode>${mode}</Mode><RetainUntilDate>${until}</RetainUntilDate></Retention>`;
const rule = (retention: string) =>
  `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>${retention}</DefaultRetention></Rule></ObjectLockConfiguration>`;
const hold = (status: string) => `<LegalHold><Status>${status}</Status></LegalHold>`;
const state = (status: string) => `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`;

let steps = 0;
const step = (
  method: string,
  bucket: string,
  key: string,
  o: Omit<Step, 'name' | 'method' | 'bucket' | 'key'> = {},
  name = '',
) => ({
  name: name === '' ? `${++steps} ${method} ${bucket}/${key}?${o.query ?? ''}` : name,
  method,
  bucket,
  ...(key === '' ? {} : { key }),
  ...o,
});

const LOCKS: readonly Step[] = [
  step('PUT', 'locks', '', { headers: [['x-amz-bucket-object-lock-enabled', 'true']] }),
  step('PUT', 'plain', ''),
  step('GET', 'locks', '', { query: 'object-lock' }),
  step('GET', 'plain', '', { query: 'object-lock' }),
  step('GET', 'locks', '', { query: 'versioning' }),
  step('PUT', 'locks', '', { query: 'versioning', body: state('Suspended') }),
  step('PUT', 'locks', '', { query: 'object-lock', body: rule('<Mode>GOVERNANCE</Mode>') }),
  step('PUT', 'locks', '', {
    query: 'object-lock',
    body: rule('<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>'),
  }),
  step('PUT', 'plain', '', { query: 'object-lock', body: rule('<Mode>GOVERNANCE</Mode><Days>1</Days>') }),
  step('PUT', 'locks', 'g', { headers: locked('GOVERNANCE'), body: 'g' }, 'g'),
  step('PUT', 'locks', 'c', { headers: locked('COMPLIANCE'), body: 'c' }, 'c'),
  step('PUT', 'locks', 'n', { body: 'n' }, 'n'),
  step('PUT', 'locks', 'h', { headers: [['x-amz-object-lock-legal-hold', 'ON']], body: 'h' }, 'h'),
  step('PUT', 'locks', 'bad', { headers: [['x-amz-object-lock-mode', 'GOVERNANCE']], body: 'x' }),
  step('PUT', 'locks', 'bad', { headers: locked('OTHER'), body: 'x' }),
  step('PUT', 'locks', 'bad', { headers: locked('GOVERNANCE', '2020-01-01T00:00:00Z'), body: 'x' }),
  step('PUT', 'plain', 'bad', { headers: locked('GOVERNANCE'), body: 'x' }),
  step('GET', 'locks', 'g', { query: 'retention' }),
  step('GET', 'locks', 'n', { query: 'retention' }),
  step('GET', 'locks', 'h', { query: 'legal-hold' }),
  step('GET', 'locks', 'n', { query: 'legal-hold' }),
  step('PUT', 'locks', 'n', { query: 'legal-hold', body: hold('MAYBE') }),
  step('PUT', 'locks', 'g', { query: 'retention', body: retention('GOVERNANCE', LATER) }),
  step('PUT', 'locks', 'g', { query: 'retention', body: retention('GOVERNANCE', UNTIL) }),
  step('PUT', 'locks', 'g', { query: 'retention', body: retention('GOVERNANCE', UNTIL), headers: [BYPASS] }),
  step('PUT', 'locks', 'g', { query: 'retention', body: retention('OTHER', LATER) }),
  step('PUT', 'locks', 'c', { query: 'retention', body: retention('COMPLIANCE', '2059-01-01T00:00:00Z') }),
  step('PUT', 'locks', 'c', { query: 'retention', body: retention('GOVERNANCE', LATER), headers: [BYPASS] }),
  step('PUT', 'locks', 'c', { query: 'retention', body: retention('COMPLIANCE', LATER) }),
  step('PUT', 'locks', 'gone', { query: 'retention', body: retention('GOVERNANCE', LATER) }),
  step('DELETE', 'locks', 'g', { query: 'versionId={g}' }),
  step('DELETE', 'locks', 'c', { query: 'versionId={c}', headers: [BYPASS] }),
  step('DELETE', 'locks', 'h', { query: 'versionId={h}', headers: [BYPASS] }),
  step('DELETE', 'locks', 'n', { query: 'versionId={n}' }),
  step('DELETE', 'locks', 'g', { query: 'versionId={g}', headers: [BYPASS] }),
  step('PUT', 'locks', 'h', { query: 'legal-hold', body: hold('OFF') }),
  step('DELETE', 'locks', 'h', { query: 'versionId={h}' }),
  step('DELETE', 'locks', 'c'),
  step('DELETE', 'locks', ''),
];

const SUSPENDED: readonly Step[] = [
  step('PUT', 'suspended', ''),
  step('PUT', 'suspended', 'k', { body: 'before' }),
  step('PUT', 'suspended', '', { query: 'versioning', body: state('Enabled') }),
  step('PUT', 'suspended', 'k', { body: 'kept' }, 'kept'),
  step('PUT', 'suspended', '', { query: 'versioning', body: state('Suspended') }),
  step('PUT', 'suspended', 'k', { body: 'after' }),
  step('GET', 'suspended', 'k', { query: 'versionId=null' }),
  step('GET', 'suspended', 'k', { query: 'versionId={kept}' }),
  step('DELETE', 'suspended', 'k'),
  step('GET', 'suspended', 'k'),
  step('GET', 'suspended', 'k', { query: 'versionId={kept}' }),
  step('DELETE', 'suspended', 'k', { query: 'versionId=null' }),
  step('GET', 'suspended', 'k'),
];

async function openEmbedded(): Promise<Store & { stop(): Promise<void> }> {
  const { backend, close } = await temporaryStore();
  const server = await serveBare(backend, { checksums: [] });
  return {
    endpoint: server.endpoint,
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    async stop() {
      await server.close();
      await close();
    },
  };
}

async function run(store: Store, sequence: readonly Step[]): Promise<readonly { name: string; outcome: string }[]> {
  const versions = new Map<string, string>();
  const outcomes: { name: string; outcome: string }[] = [];
  for (const { name, method, bucket, key, query = '', headers = [], body = '' } of sequence) {
    const reply = await sendSigned(store.endpoint, store.credentials, {
      method,
      path: `/${bucket}${key === undefined ? '' : `/${key}`}`,
      query: query.replace(/\{(\w+)\}/, (_, of: string) => versions.get(of) ?? ''),
      headers: [...headers, ...(method === 'PUT' ? [md5Header(body)] : [])],
      body,
    });
    versions.set(name, String(reply.headers['x-amz-version-id'] ?? ''));
    outcomes.push({ name, outcome: outcomeOf(method, reply) });
  }
  return outcomes;
}

/** What was read counts, too, without the ids and times that each store makes itself. */
function outcomeOf(method: string, { status, code, body }: RawReply): string {
  const isError = status >= 300;
  const read = body.toString().match(/<(Status|Mode|ObjectLockEnabled|ObjectOwnership|BlockPublicAcls)>[^<]*/g) ?? [];
  const content = method !== 'GET' || isError ? '' : body.subarray(0, 1).toString() === '<' ? read.join(' ') : body;
  return `${status} ${isError ? code : content}`.trim();
}

/** The same refusal, as S3 has it and as MinIO has it. */
const KNOWN: readonly (readonly [why: string, ours: string, minio: string])[] = [
  ['S3 has 409 for a bucket in the wrong state', '409 InvalidBucketState', '400 InvalidBucketState'],
  ['a rule that does not fit the schema', '400 MalformedXML', '400 InvalidArgument'],
  ['lock headers that do not fit', '400 InvalidArgument', '400 InvalidRequest'],
  ['what was never set', '404 NoSuchObjectLockConfiguration', '400 NoSuchObjectLockConfiguration'],
  ['what a lock forbids', '403 AccessDenied', '400 InvalidRequest'],
];

const minio = await startMinio();
afterAll(() => minio?.stop());

// moto keeps locks and enforces none of them, and MinIO has neither ownership controls nor a public access block.
test.skipIf(minio === undefined)('object locks and suspended versioning: as on MinIO', async () => {
  if (minio === undefined) return;
  const embedded = await openEmbedded();
  try {
    const used = new Set<string>();
    for (const sequence of [LOCKS, SUSPENDED]) {
      const ours = await run(embedded, sequence);
      const theirs = await run({ endpoint: minio.endpoint.origin, credentials: minio }, sequence);
      for (const [i, { name, outcome }] of ours.entries()) {
        const other = theirs[i]?.outcome;
        const known = KNOWN.find(([, a, b]) => a === outcome && b === other);
        if (known !== undefined) used.add(known[0]);
        else expect({ name, outcome }).toEqual({ name, outcome: other });
      }
    }
    expect([...used].toSorted()).toEqual(KNOWN.map(([why]) => why).toSorted());
  } finally {
    await embedded.stop();
  }
});
