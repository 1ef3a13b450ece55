/**
 * Protects: tags that a copy takes along are read and set with the caller's own permission, as S3 asks for it: GetObjectTagging of the
 * source and PutObjectTagging of the copy, where the source has tags and the copy does not replace them.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { setVersioning, sharedBench } from '../../helpers/bench.ts';
import { type Header, objectPath } from '../../helpers/raw-client.ts';
import { sessionOf } from '../../helpers/sessions.ts';

const bench = sharedBench();
const versions: Record<string, string> = {};

beforeAll(async () => {
  await setVersioning(bench, 'Enabled');
  const put = async (key: string, headers: readonly Header[] = []) => {
    const reply = await bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), body: 'x', headers });
    expect(reply.status).toBe(200);
    versions[key] = String(reply.headers['x-amz-version-id']);
  };
  await put('plain');
  await put('tagged', [['x-amz-tagging', 'a=1']]);
});

const ALL = ['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject'];

async function copy(actions: readonly string[], source: string, more: readonly Header[] = []) {
  const Statement = [{ Effect: 'Allow', Action: actions, Resource: `arn:aws:s3:::${bench.bucket}/*` }];
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  const session = await sessionOf(bench.proxy.endpoint, bench.tenant, {
    Action: 'GetFederationToken',
    Name: 'copier',
    Policy,
  });
  const mark = bench.proxy.decisions.length;
  const { result: reply, requests } = await bench.watch(() =>
    bench.send(
      {
        method: 'PUT',
        path: objectPath(bench.bucket, 'copy'),
        headers: [
          ['x-amz-security-token', session.sessionToken],
          ['x-amz-copy-source', `/${bench.bucket}/${source}`],
          ...more,
        ],
      },
      { ...bench.tenant, ...session },
    ),
  );
  const denied = bench.proxy.decisions
    .slice(mark)
    .flatMap(({ decision, action, key }) => (decision === 'deny' ? [`${action} ${key}`] : []));
  const tagReads = requests.filter(({ query }) => 'tagging' in query).length;
  return { outcome: /<Code>(\w+)/.exec(reply.body.toString())?.[1] ?? String(reply.status), denied, tagReads };
}

describe('a copy with tags', () => {
  test('needs reading them at the source and setting them at the copy', async () => {
    expect(await copy([...ALL, 's3:GetObjectTagging', 's3:PutObjectTagging'], 'tagged')).toEqual({
      outcome: '200',
      denied: [],
      tagReads: 0,
    });
    expect(await copy([...ALL, 's3:PutObjectTagging'], 'tagged')).toMatchObject({
      outcome: 'AccessDenied',
      denied: ['s3:GetObjectTagging tagged'],
    });
    expect(await copy([...ALL, 's3:GetObjectTagging'], 'tagged')).toMatchObject({
      outcome: 'AccessDenied',
      denied: ['s3:PutObjectTagging copy'],
    });
    expect(await copy(ALL, 'tagged')).toMatchObject({ outcome: 'AccessDenied' });
  });

  test('of a version needs reading those of the version', async () => {
    const source = `tagged?versionId=${versions['tagged']}`;
    expect(await copy([...ALL, 's3:GetObjectTagging', 's3:PutObjectTagging'], source)).toMatchObject({
      outcome: 'AccessDenied',
      denied: ['s3:GetObjectVersionTagging tagged'],
    });
    expect((await copy([...ALL, 's3:GetObjectVersionTagging', 's3:PutObjectTagging'], source)).outcome).toBe('200');
  });

  test('needs nothing of it where the source has none, or where the copy gets others', async () => {
    expect(await copy(ALL, 'plain')).toEqual({ outcome: '200', denied: [], tagReads: 1 });
    expect(await copy(ALL, 'tagged', [['x-amz-tagging-directive', 'REPLACE']])).toMatchObject({
      outcome: '200',
      denied: [],
    });
    const others: Header[] = [
      ['x-amz-tagging-directive', 'REPLACE'],
      ['x-amz-tagging', 'b=2'],
    ];
    expect(await copy(ALL, 'tagged', others)).toMatchObject({
      outcome: 'AccessDenied',
      denied: ['s3:PutObjectTagging copy'],
    });
    expect((await copy([...ALL, 's3:PutObjectTagging'], 'tagged', others)).outcome).toBe('200');
  });
});
