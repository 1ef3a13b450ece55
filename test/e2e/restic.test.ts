/** Protects: restic keeps and restores backups through the program; it uses minio-go underneath, and its check reads all data. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { type Check, clientSuite, EVERY_STAGE, type Tool } from './support/client-suite.ts';
import { digestsOfFile } from './support/plaintext.ts';
import { runClient, versionOf } from './support/run-client.ts';
import type { Stage } from './support/stage.ts';

async function installed(): Promise<readonly Tool[]> {
  const version = await versionOf('restic', ['version']);
  return version === undefined ? [] : [{ command: 'restic', version }];
}

/** Runs and must succeed; gives what was printed. */
async function restic(stage: Stage, args: readonly string[]): Promise<string> {
  const { accessKeyId, secretAccessKey } = stage.tenant;
  const trust = stage.certificate === undefined ? [] : ['--cacert', stage.certificate.authority];
  const { code, stdout, stderr } = await runClient('restic', [...trust, '--no-cache', ...args], {
    directory: stage.directory,
    env: {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_DEFAULT_REGION: 'us-east-1',
      RESTIC_REPOSITORY: `s3:${stage.endpoint}/${stage.bucket}/restic`,
      RESTIC_PASSWORD: stage.marker,
    },
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  return stdout;
}

const backups: Check = async ({ stage }) => {
  const tree = stage.newDirectory('documents');
  mkdirSync(join(tree, 'deep'));
  stage.fileAt(join(tree, 'large'), 40 * MiB);
  for (let index = 0; index < 30; index++) stage.fileAt(join(tree, 'deep', `${index} ü`), 1 + index * 5000);
  await restic(stage, ['init']);
  await restic(stage, ['backup', tree]);
  writeFileSync(join(tree, 'deep', 'later'), stage.content(100_000));
  await restic(stage, ['backup', tree]);
  expect(await restic(stage, ['check', '--read-data'])).toContain('no errors were found');
  const snapshots = JSON.parse(await restic(stage, ['snapshots', '--json'])) as unknown[];
  expect(snapshots).toHaveLength(2);
  const target = stage.newDirectory('restored');
  await restic(stage, ['restore', 'latest', '--target', target]);
  const names = ['large', 'deep/later', ...Array.from({ length: 30 }, (_, index) => `deep/${index} ü`)];
  for (const name of names) {
    expect([name, await digestsOfFile(join(target, tree, name))]).toEqual([
      name,
      await digestsOfFile(join(tree, name)),
    ]);
  }
  await restic(stage, ['forget', '--keep-last', '1', '--prune']);
  expect(await restic(stage, ['check'])).toContain('no errors were found');
  return '40 MiB and 31 small files';
};

clientSuite({
  client: 'restic',
  tools: await installed(),
  stages: EVERY_STAGE,
  checks: { 'init, backup twice, check --read-data, restore, forget and prune': backups },
  opaque: { except: [] },
});
