/** What is passed through: tags, ACLs, locks, CORS, policies, lifecycles and the like, set, read and taken away again. */
import type { TwinRequest } from '../request.ts';
import { md5Text } from '../request.ts';
import type { Sequence } from '../twin.ts';
import { get, head, put, remove, xml } from './content.ts';

const set = (query: string, body: string, o: Partial<TwinRequest> = {}): TwinRequest => ({
  method: 'PUT',
  query,
  body,
  headers: [['content-md5', md5Text(body)]],
  ...o,
});
const read = (query: string, o: Partial<TwinRequest> = {}): TwinRequest => ({ method: 'GET', query, ...o });
const clear = (query: string, o: Partial<TwinRequest> = {}): TwinRequest => ({ method: 'DELETE', query, ...o });
const tagging = (pairs: readonly (readonly [string, string])[]) =>
  xml('Tagging', `<TagSet>${pairs.map(([k, v]) => `<Tag><Key>${k}</Key><Value>${v}</Value></Tag>`).join('')}</TagSet>`);
const k = { key: 'k' };

const RULES: Readonly<Record<string, readonly [root: string, inner: string]>> = {
  cors: [
    'CORSConfiguration',
    '<CORSRule><AllowedOrigin>http://example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>*</AllowedHeader><MaxAgeSeconds>10</MaxAgeSeconds></CORSRule>',
  ],
  lifecycle: [
    'LifecycleConfiguration',
    '<Rule><ID>r</ID><Filter><Prefix>x/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>10</Days></Expiration></Rule>',
  ],
  tagging: ['Tagging', '<TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet>'],
  encryption: [
    'ServerSideEncryptionConfiguration',
    '<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>',
  ],
  publicAccessBlock: [
    'PublicAccessBlockConfiguration',
    '<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>',
  ],
  ownershipControls: ['OwnershipControls', '<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>'],
  website: ['WebsiteConfiguration', '<IndexDocument><Suffix>index.html</Suffix></IndexDocument>'],
};

const policy = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Principal: { AWS: ['*'] }, Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::twin/*'] },
  ],
});
const lock = xml('ObjectLockConfiguration', '<ObjectLockEnabled>Enabled</ObjectLockEnabled>');
const retention = (until: string, mode = 'GOVERNANCE') =>
  xml('Retention', `<Mode>${mode}</Mode><RetainUntilDate>${until}</RetainUntilDate>`);
const hold = (status: string) => xml('LegalHold', `<Status>${status}</Status>`);

export const CONFIGURATION: readonly Sequence[] = [
  ...Object.entries(RULES).map(
    ([name, [root, inner]]): Sequence => ({
      name: `bucket ${name}`,
      steps: [
        read(name),
        set(name, xml(root, inner)),
        read(name),
        clear(name),
        read(name),
        set(name, '<a'),
        set(name, xml('Other', '')),
      ],
    }),
  ),
  ...[
    'acl',
    'logging',
    'notification',
    'requestPayment',
    'accelerate',
    'policyStatus',
    'replication',
    'object-lock',
  ].map((name): Sequence => ({ name: `bucket ${name}, read`, steps: [read(name)] })),
  {
    name: 'bucket policy',
    steps: [
      read('policy'),
      set('policy', '{'),
      set('policy', policy.replaceAll('twin/', '{{bucket}}/')),
      read('policy'),
      clear('policy'),
      read('policy'),
    ],
  },
  {
    name: 'object tags',
    steps: [
      put('k', 'x'),
      read('tagging', k),
      set(
        'tagging',
        tagging([
          ['a', 'b'],
          ['c', ''],
        ]),
        k,
      ),
      read('tagging', k),
      head('k'),
      get('k'),
      clear('tagging', k),
      read('tagging', k),
      head('k'),
      set('tagging', '<a', k),
      set(
        'tagging',
        tagging([
          ['a', '1'],
          ['a', '2'],
        ]),
        k,
      ),
      set('tagging', tagging([['x'.repeat(129), '1']]), k),
      set('tagging', tagging([['a', 'x'.repeat(257)]]), k),
      set('tagging', tagging(Array.from({ length: 11 }, (_, i) => [`t${i}`, 'v'] as const)), k),
      read('tagging', { key: 'gone' }),
      set('tagging', tagging([['a', 'b']]), { key: 'gone' }),
    ],
  },
  {
    name: 'tags with the object',
    steps: [
      put('k', 'x', { headers: [['x-amz-tagging', 'a=b&c=d%20e']] }),
      read('tagging', k),
      put('k', 'x', { headers: [['x-amz-tagging', 'a=1&a=2']] }),
      put('k', 'x', { headers: [['x-amz-tagging', '']] }),
      read('tagging', k),
      put('k', 'x', { headers: [['x-amz-tagging', Array.from({ length: 11 }, (_, i) => `t${i}=v`).join('&')]] }),
    ],
  },
  {
    name: 'object ACL',
    steps: [
      put('k', 'x'),
      read('acl', k),
      set('acl', '', { ...k, headers: [['x-amz-acl', 'private']] }),
      read('acl', { key: 'gone' }),
    ],
  },
  {
    name: 'object lock',
    bucket: { lock: true },
    steps: [
      read('object-lock'),
      set('object-lock', lock),
      put('k', 'x', { save: { v: 'header:x-amz-version-id' } }),
      read('retention', k),
      read('legal-hold', k),
      set('retention', retention('2040-01-01T00:00:00Z'), k),
      read('retention', k),
      head('k'),
      remove('k', { query: 'versionId={{v}}' }),
      set('legal-hold', hold('ON'), k),
      read('legal-hold', k),
      head('k'),
      get('k'),
      set('legal-hold', hold('OFF'), k),
      set('legal-hold', hold('MAYBE'), k),
      set('retention', retention('2041-01-01T00:00:00Z', 'OTHER'), k),
      set('retention', '<a', k),
      {
        method: 'DELETE',
        key: 'k',
        query: 'versionId={{v}}',
        headers: [['x-amz-bypass-governance-retention', 'true']],
      },
      head('k'),
    ],
  },
  {
    name: 'locked from the start',
    bucket: { lock: true },
    steps: [
      put('k', 'x', {
        headers: [
          ['x-amz-object-lock-mode', 'GOVERNANCE'],
          ['x-amz-object-lock-retain-until-date', '2040-01-01T00:00:00Z'],
          ['content-md5', md5Text('x')],
        ],
        save: { v: 'header:x-amz-version-id' },
      }),
      head('k'),
      remove('k', { query: 'versionId={{v}}' }),
      remove('k'),
      put('h', 'x', {
        headers: [
          ['x-amz-object-lock-legal-hold', 'ON'],
          ['content-md5', md5Text('x')],
        ],
      }),
      head('h'),
      put('w', 'x', {
        headers: [
          ['x-amz-object-lock-mode', 'GOVERNANCE'],
          ['content-md5', md5Text('x')],
        ],
      }),
    ],
  },
  {
    name: 'a lock without a lock',
    steps: [
      put('k', 'x'),
      read('retention', k),
      read('legal-hold', k),
      set('retention', retention('2040-01-01T00:00:00Z'), k),
      put('l', 'x', {
        headers: [
          ['x-amz-object-lock-legal-hold', 'ON'],
          ['content-md5', md5Text('x')],
        ],
      }),
    ],
  },
  {
    name: 'GetObjectAttributes',
    steps: [
      put('k', 'x'),
      ...[
        'ETag',
        'ETag,Checksum,ObjectSize,StorageClass,ObjectParts',
        'ObjectSize',
        'Nonsense',
        '',
        'ETag, ObjectSize',
      ].map(
        (names): TwinRequest => ({
          method: 'GET',
          key: 'k',
          query: 'attributes',
          headers: [['x-amz-object-attributes', names]],
        }),
      ),
      { method: 'GET', key: 'k', query: 'attributes' },
      { method: 'GET', key: 'gone', query: 'attributes', headers: [['x-amz-object-attributes', 'ETag']] },
    ],
  },
];
