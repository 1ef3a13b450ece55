/** Versions: enabled, suspended and null ones, delete markers, listings of versions, deletes and copies by version. */

import { MiB } from '../../helpers/bytes.ts';
import type { TwinRequest } from '../request.ts';
import type { Sequence } from '../twin.ts';
import { content, get, head, put, remove, xml } from './content.ts';

const VERSION = { save: { v1: 'header:x-amz-version-id' } };
const list = (query = ''): TwinRequest => ({ method: 'GET', query: `versions${query}` });
const three: readonly TwinRequest[] = [
  put('k', 'one', { save: { v1: 'header:x-amz-version-id' } }),
  put('k', content(MiB + 1), { save: { v2: 'header:x-amz-version-id' } }),
  put('k', 'three', { save: { v3: 'header:x-amz-version-id' } }),
];
const of = (version: string) => [['versionId', version]] as const;
const versioning = (status: string): TwinRequest => ({
  method: 'PUT',
  query: 'versioning',
  body: xml('VersioningConfiguration', `<Status>${status}</Status>`),
});
const enabled = { versioning: 'Enabled' } as const;

export const VERSIONS: readonly Sequence[] = [
  {
    name: 'three versions',
    bucket: enabled,
    steps: [
      ...three,
      list(),
      get('k'),
      ...['{{v1}}', '{{v2}}', '{{v3}}'].flatMap((v) => [get('k', { query: of(v) }), head('k', { query: of(v) })]),
    ],
  },
  {
    name: 'a delete marker',
    bucket: enabled,
    steps: [
      ...three,
      remove('k', { save: { m: 'header:x-amz-version-id' } }),
      get('k'),
      head('k'),
      list(),
      get('k', { query: of('{{m}}') }),
      head('k', { query: of('{{m}}') }),
      { method: 'GET', query: 'list-type=2' },
      remove('k', { query: of('{{m}}') }),
      get('k'),
      list(),
    ],
  },
  {
    name: 'versions deleted one by one',
    bucket: enabled,
    steps: [
      ...three,
      remove('k', { query: of('{{v3}}') }),
      get('k'),
      remove('k', { query: of('{{v1}}') }),
      list(),
      remove('k', { query: of('{{v2}}') }),
      get('k'),
      list(),
    ],
  },
  {
    name: 'a version that is not there',
    bucket: enabled,
    steps: [
      put('k', 'x', VERSION),
      remove('k', { query: of('{{v1}}') }),
      get('k', { query: of('{{v1}}') }),
      head('k', { query: of('{{v1}}') }),
      remove('k', { query: of('{{v1}}') }),
      put('k', 'x'),
      get('k', { query: of('{{v1}}') }),
      head('k', { query: of('{{v1}}') }),
      get('k', { query: of('nonsense') }),
      head('k', { query: of('nonsense') }),
      get('k', { query: of('') }),
      remove('k', { query: of('nonsense') }),
    ],
  },
  {
    name: 'the null version',
    steps: [
      put('k', 'before'),
      get('k', { query: of('null') }),
      head('k', { query: of('null') }),
      list(),
      versioning('Enabled'),
      put('k', 'after', VERSION),
      get('k', { query: of('null') }),
      list(),
      remove('k', { query: of('null') }),
      list(),
      versioning('Suspended'),
      put('k', 'null again'),
      head('k'),
      list(),
      put('k', 'and again'),
      list(),
      remove('k'),
      list(),
      get('k'),
    ],
  },
  {
    name: 'suspended from the start',
    bucket: { versioning: 'Suspended' },
    steps: [put('k', 'one'), put('k', 'two'), list(), remove('k'), list(), { method: 'GET', query: 'versioning' }],
  },
  {
    name: 'copies by version',
    bucket: enabled,
    steps: [
      ...three,
      ...['{{v1}}', '{{v2}}', 'nonsense'].flatMap((v): TwinRequest[] => [
        { method: 'PUT', key: 'copy', headers: [['x-amz-copy-source', `/{{bucket}}/k?versionId=${v}`]] },
        head('copy'),
      ]),
      { method: 'PUT', key: 'k', headers: [['x-amz-copy-source', '/{{bucket}}/k?versionId={{v1}}']] },
      get('k'),
      list(),
      remove('k', { save: { m: 'header:x-amz-version-id' } }),
      { method: 'PUT', key: 'copy', headers: [['x-amz-copy-source', '/{{bucket}}/k']] },
      { method: 'PUT', key: 'copy', headers: [['x-amz-copy-source', '/{{bucket}}/k?versionId={{m}}']] },
    ],
  },
  {
    name: 'DeleteObjects by version',
    bucket: enabled,
    steps: [
      ...three,
      { method: 'POST', query: 'delete', digest: 'md5', body: xml('Delete', '<Object><Key>k</Key></Object>') },
      list(),
      {
        method: 'POST',
        query: 'delete',
        digest: 'md5',
        body: xml(
          'Delete',
          '<Object><Key>k</Key><VersionId>{{v1}}</VersionId></Object><Object><Key>k</Key><VersionId>{{v3}}</VersionId></Object>',
        ),
      },
      list(),
      {
        method: 'POST',
        query: 'delete',
        digest: 'md5',
        body: xml('Delete', '<Object><Key>k</Key><VersionId>{{v1}}</VersionId></Object>'),
      },
    ],
  },
  {
    name: 'pages of versions',
    bucket: enabled,
    steps: [
      ...three,
      put('j', 'x'),
      remove('j'),
      put('l/1', 'x'),
      put('l/2', 'y'),
      remove('l/1'),
      list(),
      list('&prefix=l/'),
      list('&delimiter=/'),
      list('&prefix=k'),
      list('&encoding-type=url'),
      list('&max-keys=0'),
      list('&max-keys=1'),
      { ...list('&max-keys=2'), save: { key: 'xml:NextKeyMarker', version: 'xml:NextVersionIdMarker' } },
      {
        ...list('&max-keys=2&key-marker={{key}}&version-id-marker={{version}}'),
        save: { key: 'xml:NextKeyMarker', version: 'xml:NextVersionIdMarker' },
      },
      list('&max-keys=20&key-marker={{key}}&version-id-marker={{version}}'),
      list('&key-marker=k'),
      list('&version-id-marker=x'),
      list('&max-keys=1001'),
      list('&max-keys=a'),
    ],
  },
  {
    name: 'versions of tags and conditions',
    bucket: enabled,
    steps: [
      ...three,
      {
        method: 'PUT',
        key: 'k',
        query: 'tagging&versionId={{v1}}',
        body: xml('Tagging', '<TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet>'),
      },
      { method: 'GET', key: 'k', query: 'tagging&versionId={{v1}}' },
      { method: 'GET', key: 'k', query: 'tagging' },
      head('k', { query: of('{{v1}}') }),
      get('k', { query: of('{{v1}}'), headers: [['if-none-match', '"f97c5d29941bfb1b2fdab0874906ab82"']] }),
      get('k', { query: of('{{v2}}'), headers: [['range', 'bytes=5-6']] }),
    ],
  },
  {
    name: 'versioning that is not',
    steps: [
      { method: 'GET', query: 'versioning' },
      versioning('Other'),
      { method: 'PUT', query: 'versioning', body: '<a' },
      { method: 'PUT', query: 'versioning', body: xml('VersioningConfiguration', '') },
      { method: 'GET', query: 'versioning' },
    ],
  },
];
