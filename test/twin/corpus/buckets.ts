/** Buckets: made, made again, not there, not empty, badly named; and which error each kind of missing thing gives. */
import type { Sequence } from '../twin.ts';
import { get, head, put, remove, xml } from './content.ts';

const NAMES = ['ab', 'a'.repeat(64), 'UPPER', 'a_b', 'a..b', '-a-b', 'a-b-', '192.168.1.1', 'a.b.c', 'xn--abc', 'a b'];

export const BUCKETS: readonly Sequence[] = [
  { name: 'a bucket made twice', steps: [{ method: 'PUT' }, { method: 'HEAD' }, { method: 'GET', query: 'location' }] },
  {
    name: 'a bucket that is not empty',
    steps: [
      put('k', 'x'),
      { method: 'DELETE' },
      remove('k'),
      { method: 'DELETE' },
      { method: 'HEAD' },
      { method: 'DELETE' },
    ],
  },
  {
    name: 'nothing in a bucket that is not there',
    steps: [
      { method: 'HEAD', bucket: 'gone' },
      { method: 'DELETE', bucket: 'gone' },
      put('k', 'x', { bucket: 'gone' }),
      get('k', { bucket: 'gone' }),
      get('k', { bucket: 'gone', headers: [['range', 'bytes=0-1']] }),
      get('k', { bucket: 'gone', headers: [['if-none-match', '"x"']] }),
      head('k', { bucket: 'gone' }),
      remove('k', { bucket: 'gone' }),
      { method: 'POST', bucket: 'gone', key: 'k', query: 'uploads' },
      {
        method: 'POST',
        bucket: 'gone',
        query: 'delete',
        digest: 'md5',
        body: xml('Delete', '<Object><Key>k</Key></Object>'),
      },
      { method: 'PUT', bucket: 'gone', key: 'k', headers: [['x-amz-copy-source', '/{{bucket}}/k']] },
      put('k', 'x'),
      { method: 'PUT', bucket: 'gone', key: 'k', headers: [['x-amz-copy-source', '/{{bucket}}/k']] },
      { method: 'PUT', key: 'k', headers: [['x-amz-copy-source', '/{{bucket}}-gone/k']] },
      { method: 'PUT', key: 'k', headers: [['x-amz-copy-source', '/{{bucket}}/gone']] },
      { method: 'PUT', key: 'k', headers: [['x-amz-copy-source', 'nonsense']] },
      { method: 'PUT', key: 'k', headers: [['x-amz-copy-source', '']] },
    ],
  },
  ...NAMES.map((name) => ({
    name: `bucket name ${name}`,
    steps: [
      { method: 'PUT', path: `/${encodeURIComponent(name)}` },
      { method: 'HEAD', path: `/${encodeURIComponent(name)}` },
    ],
  })),
  {
    name: 'a malformed CreateBucket',
    steps: [
      { method: 'PUT', bucket: 'new', body: '<Create' },
      { method: 'PUT', bucket: 'new2', body: xml('Other', '') },
    ],
  },
  {
    name: 'methods that are not',
    steps: [
      { method: 'POST', key: 'k', body: 'x' },
      { method: 'PATCH', key: 'k', body: 'x' },
      { method: 'DELETE', bucket: 'none' },
      { method: 'PUT', bucket: 'none' },
      { method: 'POST', bucket: 'none' },
    ],
  },
  {
    name: 'an unknown sub-resource',
    steps: [
      put('k', 'x'),
      get('k', { query: 'torrent' }),
      { method: 'GET', query: 'inventory' },
      { method: 'GET', query: 'analytics&id=x' },
    ],
  },
];
