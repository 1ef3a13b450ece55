/**
 * Protects: a client that only signs and sends: curl --aws-sigv4, with no SDK to hide what is on the wire. What this curl
 * signs is written from the same documentation by other people.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { type Check, clientSuite, EVERY_STAGE, type Tool } from './support/client-suite.ts';
import { digestsOf, digestsOfFile } from './support/plaintext.ts';
import { runClient, versionOf } from './support/run-client.ts';
import type { Stage } from './support/stage.ts';

/** From 7.75 on curl signs; before 7.86 it signed S3 wrongly. */
async function installed(): Promise<readonly Tool[]> {
  const version = await versionOf('curl', ['--version']);
  if (version === undefined) return [];
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 7 || minor >= 86 ? [{ command: 'curl', version }] : [];
}

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers: string;
}

/** The body of the reply is a file. curl 7 hashes no file that it uploads, so the hash is told in a header. */
async function curl(stage: Stage, key: string, o: { upload?: string; args?: readonly string[] } = {}): Promise<Reply> {
  const { accessKeyId, secretAccessKey } = stage.tenant;
  const config = stage.path('curlrc');
  writeFileSync(config, `user = "${accessKeyId}:${secretAccessKey}"\naws-sigv4 = "aws:amz:us-east-1:s3"\n`, {
    mode: 0o600,
  });
  const [body, headers] = [stage.path('body'), stage.path('headers')];
  writeFileSync(body, '');
  const sha256 = o.upload === undefined ? digestsOf('').sha256 : (await digestsOfFile(o.upload)).sha256;
  const args = [
    ...['-q', '-sS', '-K', config, '-o', body, '-D', headers, '-w', '%{http_code}'],
    ...['-H', `x-amz-content-sha256: ${sha256}`],
    ...(stage.certificate === undefined ? [] : ['--cacert', stage.certificate.authority]),
    ...(o.upload === undefined ? [] : ['-T', o.upload]),
    ...(o.args ?? []),
    `${stage.endpoint}/${stage.bucket}/${key}`,
  ];
  const { code, stdout, stderr } = await runClient('curl', args, { directory: stage.directory });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return { status: Number(stdout), body, headers: readFileSync(headers, 'utf8') };
}

const roundTrip: Check = async ({ stage }) => {
  for (const bytes of [0, 1, 70_000, 20 * MiB + 5]) {
    const sent = stage.file({ name: 'sent', bytes });
    const put = await curl(stage, 'curl/file', { upload: sent.path });
    expect([put.status, put.headers]).toEqual([200, expect.stringContaining(`"${sent.md5}"`)]);
    const got = await curl(stage, 'curl/file');
    expect([got.status, (await digestsOfFile(got.body)).sha256]).toEqual([200, sent.sha256]);
  }
};

const ranges: Check = async ({ stage }) => {
  const content = stage.content(200_000);
  const path = stage.path('ranged');
  writeFileSync(path, content);
  await curl(stage, 'ranged', { upload: path });
  const got = await curl(stage, 'ranged', { args: ['-r', '65500-65600'] });
  expect(got.status).toBe(206);
  expect(readFileSync(got.body).equals(content.subarray(65_500, 65_601))).toBe(true);
  const head = await curl(stage, 'ranged', { args: ['-I'] });
  expect([head.status, head.headers]).toEqual([200, expect.stringMatching(/content-length: 200000\r/i)]);
};

const refusals: Check = async ({ stage }) => {
  const sent = stage.file({ name: 'refused', bytes: 50_000 });
  const other = stage.file({ name: 'other', bytes: 50_000 });
  const lied = await curl(stage, 'lied', { upload: sent.path, args: ['-H', `Content-MD5: ${base64(other.md5)}`] });
  expect([lied.status, readFileSync(lied.body, 'utf8')]).toEqual([
    400,
    expect.stringContaining('<Code>BadDigest</Code>'),
  ]);
  expect((await curl(stage, 'lied')).status).toBe(404);
  const gone = await curl(stage, 'nothing', { args: ['-X', 'DELETE'] });
  expect(gone.status).toBe(204);
};

const base64 = (hex: string) => Buffer.from(hex, 'hex').toString('base64');

clientSuite({
  client: 'curl --aws-sigv4',
  tools: await installed(),
  stages: EVERY_STAGE,
  checks: { 'put and get': roundTrip, 'range, HEAD': ranges, 'wrong MD5 stores nothing; DELETE': refusals },
});
