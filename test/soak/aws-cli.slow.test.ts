/** Protects: aws-cli moves 1 GiB in parts both ways, over https, and the program's memory stays flat. */

import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clientEnvironment } from '../e2e/support/client-environment.ts';
import { createBucket } from '../e2e/support/client-suite.ts';
import { digestsOfFile } from '../e2e/support/plaintext.ts';
import { runClient } from '../e2e/support/run-client.ts';
import { Stage } from '../e2e/support/stage.ts';
import { findOnPath } from '../e2e/support/store-under-test.ts';
import { MiB } from '../helpers/bytes.ts';
import { printSoak, processMemory, type SoakRow } from './support/process-memory.ts';

const BYTES = 1024 * MiB;
/** Ten connections at once, each with buffers of its own for TLS. */
const MAX_RESIDENT = 400 * MiB;
const aws = findOnPath('aws');
if (aws === undefined) console.log('aws-cli is not installed: 1 GiB with it is left out');

let stage: Stage;
const rows: SoakRow[] = [];
beforeAll(async () => {
  stage = await Stage.open({ store: 'embedded store', transport: 'https', settings: { SEALGATE_LOG_LEVEL: 'info' } });
  await createBucket(stage);
});
afterAll(async () => {
  printSoak('aws-cli over https, on the embedded store', rows);
  await stage.close();
});

async function copy(what: string, from: string, to: string): Promise<void> {
  const began = Date.now();
  const config = stage.path('aws-config');
  writeFileSync(config, '[default]\nregion = us-east-1\n');
  const args = ['--endpoint-url', stage.endpoint, 's3', 'cp', '--no-progress', from, to];
  const { code, stderr } = await runClient(aws ?? '', args, {
    directory: stage.directory,
    env: { ...clientEnvironment(stage), AWS_CONFIG_FILE: config },
    timeoutMs: 600_000,
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  rows.push({ what, bytes: BYTES, ms: Date.now() - began, memory: processMemory(stage.program.pid) });
}

test.skipIf(aws === undefined)('1 GiB up and down in parts', async () => {
  const sent = stage.file({ name: 'large', bytes: BYTES });
  await copy('s3 cp up, 1 GiB in parts', sent.path, `s3://${stage.bucket}/large`);
  const back = stage.path('back');
  await copy('s3 cp down, 1 GiB in parts', `s3://${stage.bucket}/large`, back);
  expect((await digestsOfFile(back)).sha256).toBe(sent.sha256);
  expect(processMemory(stage.program.pid).peak).toBeLessThan(MAX_RESIDENT);
});
