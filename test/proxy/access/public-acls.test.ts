/**
 * Protects: an ACL that opens something to everybody is never taken without a word, since nobody would get what its sender means;
 * where the operator wants, it is refused before anything is stored.
 */

import { PutBucketAclCommand } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { type Bench, openBench } from '../../helpers/bench.ts';
import type { Header, RawRequest } from '../../helpers/raw-client.ts';

const ALL_USERS = 'http://acs.amazonaws.com/groups/global/AllUsers';
const OWNER = '<Owner><ID>o</ID></Owner>';
const aclDocument = (uri: string) =>
  `<AccessControlPolicy>${OWNER}<AccessControlList><Grant><Grantee><URI>${uri}</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>`;

function requests(bucket: string): readonly (readonly [name: string, request: RawRequest])[] {
  const put = (headers: Header[]): RawRequest => ({ method: 'PUT', path: `/${bucket}/k`, body: 'x', headers });
  return [
    ['public-read', put([['x-amz-acl', 'public-read']])],
    ['authenticated-read', put([['x-amz-acl', 'authenticated-read']])],
    ['a grant', put([['x-amz-grant-read', `uri="${ALL_USERS}"`]])],
    ['an upload', { method: 'POST', path: `/${bucket}/k`, query: 'uploads=', headers: [['x-amz-acl', 'public-read']] }],
    ['a new bucket', { method: 'PUT', path: '/public-bucket', headers: [['x-amz-acl', 'public-read-write']] }],
    ['a document', { method: 'PUT', path: `/${bucket}`, query: 'acl=', body: aclDocument(ALL_USERS) }],
  ];
}

/** The embedded store refuses such ACLs by itself; the test is about what comes before it. */
function countWrites(bench: Bench): { readonly writes: number } {
  const seen = { writes: 0 };
  bench.backend.intercept = (request, next) => {
    if (request.bucket !== 'sealgate-state' && request.method !== 'GET' && request.method !== 'HEAD') seen.writes += 1;
    return next(request);
  };
  return seen;
}

describe('refuse', () => {
  test('answers AccessDenied, and nothing reaches the store', async () => {
    const bench = await openBench({ config: { publicAcls: 'refuse' } });
    try {
      const seen = countWrites(bench);
      for (const [name, request] of requests(bench.bucket)) {
        const reply = await bench.send(request);
        expect([name, reply.status, reply.code, seen.writes]).toEqual([name, 403, 'AccessDenied', 0]);
      }
      for (const acl of ['private', 'bucket-owner-full-control']) {
        const reply = await bench.send({
          method: 'PUT',
          path: `/${bench.bucket}/k`,
          body: 'x',
          headers: [['x-amz-acl', acl]],
        });
        expect([acl, reply.status]).toEqual([acl, 200]);
      }
      const command = new PutBucketAclCommand({ Bucket: bench.bucket, ACL: 'public-read' });
      await expect(bench.s3.send(command)).rejects.toMatchObject({ name: 'AccessDenied' });
    } finally {
      await bench.close();
    }
  });
});

describe('warn', () => {
  test('passes it on, and says so once', async () => {
    const bench = await openBench();
    try {
      const said = () => bench.proxy.log.filter((line) => JSON.stringify(line).includes('asks for a public ACL'));
      await bench.send({ method: 'PUT', path: `/${bench.bucket}/k`, body: 'x', headers: [['x-amz-acl', 'private']] });
      expect(said()).toHaveLength(0);
      const seen = countWrites(bench);
      const all = requests(bench.bucket);
      for (const [, request] of all) await bench.send(request);
      expect(seen.writes).toBe(all.length);
      expect(said()).toHaveLength(1);
    } finally {
      await bench.close();
    }
  });
});
