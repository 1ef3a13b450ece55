/** Protects: s3cmd works unchanged. It fails a PUT whose ETag is not the MD5 of what it sent, and syncs by size and MD5. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { type Check, clientSuite, EVERY_STAGE, type Tool } from './support/client-suite.ts';
import { digestsOfFile } from './support/plaintext.ts';
import { runClient, versionOf } from './support/run-client.ts';
import type { Stage } from './support/stage.ts';

async function installed(): Promise<readonly Tool[]> {
  const version = await versionOf('s3cmd', ['--version']);
  return version === undefined ? [] : [{ command: 's3cmd', version }];
}

/** Runs and must succeed; gives what was printed. */
async function s3cmd(stage: Stage, args: readonly string[]): Promise<string> {
  const config = stage.path('s3cfg');
  const { host } = new URL(stage.endpoint);
  const { accessKeyId, secretAccessKey } = stage.tenant;
  const settings = [
    '[default]',
    `access_key = ${accessKeyId}`,
    `secret_key = ${secretAccessKey}`,
    `host_base = ${host}`,
    `host_bucket = ${host}`,
    'bucket_location = us-east-1',
    `use_https = ${stage.transport === 'https' ? 'True' : 'False'}`,
    ...(stage.certificate === undefined ? [] : [`ca_certs_file = ${stage.certificate.authority}`]),
  ];
  writeFileSync(config, `${settings.join('\n')}\n`, { mode: 0o600 });
  const { code, stdout, stderr } = await runClient('s3cmd', ['-c', config, '--no-progress', ...args], {
    directory: stage.directory,
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  return stdout;
}

const target = (stage: Stage, key: string) => `s3://${stage.bucket}/${key}`;

const single: Check = async ({ stage }) => {
  const sent = stage.file({ name: 'one', bytes: 12 * MiB + 1 });
  await s3cmd(stage, ['put', '--disable-multipart', sent.path, target(stage, 'one file ü+.bin')]);
  const received = stage.path('one-back');
  await s3cmd(stage, ['get', target(stage, 'one file ü+.bin'), received]);
  expect((await digestsOfFile(received)).sha256).toBe(sent.sha256);
  const info = await s3cmd(stage, ['info', target(stage, 'one file ü+.bin')]);
  expect(info).toContain(`MD5 sum:   ${sent.md5}`);
  expect(await s3cmd(stage, ['ls', target(stage, 'one')])).toContain(String(12 * MiB + 1));
};

const multipart: Check = async ({ stage }) => {
  const sent = stage.file({ name: 'parts', bytes: 17 * MiB });
  await s3cmd(stage, ['put', '--multipart-chunk-size-mb=5', sent.path, target(stage, 'parts')]);
  const received = stage.path('parts-back');
  await s3cmd(stage, ['get', target(stage, 'parts'), received]);
  expect((await digestsOfFile(received)).sha256).toBe(sent.sha256);
  return '4 parts';
};

const syncing: Check = async ({ stage }) => {
  const tree = stage.newDirectory('tree');
  const names = Array.from({ length: 20 }, (_, index) => `${index % 3}/file ${index}`);
  for (const [index, name] of names.entries()) {
    mkdirSync(join(tree, name, '..'), { recursive: true });
    stage.fileAt(join(tree, name), 10 + index * 2000);
  }
  const up = await s3cmd(stage, ['sync', `${tree}/`, target(stage, 'tree/')]);
  expect(up.match(/^upload: /gm)?.length).toBe(names.length);
  expect(await s3cmd(stage, ['sync', `${tree}/`, target(stage, 'tree/')])).not.toContain('upload: ');
  const back = stage.newDirectory('back');
  await s3cmd(stage, ['sync', target(stage, 'tree/'), `${back}/`]);
  expect(await s3cmd(stage, ['sync', target(stage, 'tree/'), `${back}/`])).not.toContain('download: ');
  for (const name of names)
    expect(await digestsOfFile(join(back, name))).toEqual(await digestsOfFile(join(tree, name)));
  await s3cmd(stage, ['del', '--recursive', '--force', target(stage, 'tree/')]);
  expect(await s3cmd(stage, ['ls', target(stage, 'tree/')])).toBe('');
  return `${names.length} files; the second run moved nothing`;
};

const copying: Check = async ({ stage }) => {
  const sent = stage.file({ name: 'source', bytes: 300_000 });
  await s3cmd(stage, ['put', '--add-header=x-amz-meta-colour:blue', sent.path, target(stage, 'source')]);
  await s3cmd(stage, ['cp', target(stage, 'source'), target(stage, 'copy')]);
  await s3cmd(stage, ['mv', target(stage, 'copy'), target(stage, 'moved')]);
  await s3cmd(stage, ['modify', '--add-header=Cache-Control:no-store', target(stage, 'moved')]);
  const info = await s3cmd(stage, ['info', target(stage, 'moved')]);
  expect(info).toMatch(/x-amz-meta-colour: blue/);
  const received = stage.path('moved-back');
  await s3cmd(stage, ['get', target(stage, 'moved'), received]);
  expect((await digestsOfFile(received)).sha256).toBe(sent.sha256);
};

clientSuite({
  client: 's3cmd',
  tools: await installed(),
  stages: EVERY_STAGE,
  checks: {
    'put and get as one PUT; info; ls': single,
    'put in parts': multipart,
    'sync twice, up and down': syncing,
    'cp, mv, modify': copying,
  },
  opaque: { except: [] },
});
