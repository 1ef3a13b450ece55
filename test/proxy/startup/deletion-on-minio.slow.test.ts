/**
 * Protects: what `check` says of the state bucket holds at a real store: one with Object Lock is refused; a plain one and a versioned one
 * are not, since every version that is deleted there is gone.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Backend } from '../../../proxy/backend/backend.ts';
import { openS3Backend } from '../../../proxy/backend/s3/s3.ts';
import { StateStore } from '../../../proxy/keyring/state/state.ts';
import { checkDeletion } from '../../../proxy/startup/check-deletion.ts';
import { inWords } from '../../../proxy/startup/finding.ts';
import type { ChildServer } from '../../helpers/child-server.ts';
import { startMinio } from '../../helpers/minio.ts';

let minio: ChildServer | undefined;
let backend: Backend;
beforeAll(async () => {
  minio = await startMinio();
  if (minio !== undefined) backend = openS3Backend({ ...minio, region: 'us-east-1', pathStyle: true });
});
afterAll(async () => {
  if (minio === undefined) return;
  await backend.close();
  await minio.stop();
});

async function put(
  bucket: string,
  o: { headers?: Record<string, string>; query?: [string, string][]; body?: string } = {},
) {
  const { body = '', ...rest } = o;
  const signal = AbortSignal.timeout(60_000);
  const reply = await backend.send({ method: 'PUT', bucket, ...rest, body: Buffer.from(body), signal });
  reply.body.resume();
  expect(reply.status).toBe(200);
}

async function checked(bucket: string): Promise<{ starts: boolean; said: string[]; left: readonly string[] }> {
  const state = new StateStore({ backend, bucket, prefix: 'p/' });
  const said: string[] = [];
  const starts = await checkDeletion({ backend, state }, (finding) =>
    said.push(`${finding.level} ${inWords(finding)}`),
  );
  return { starts, said, left: [...(await state.listEver('', AbortSignal.timeout(60_000)))] };
}

test('a bucket with Object Lock is refused; a plain and a versioned one keep nothing', async ({ skip }) => {
  if (minio === undefined) return skip();
  await put('plain');
  await put('versioned');
  const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  await put('versioned', { query: [['versioning', '']], body: enabled });
  await put('locked', { headers: { 'x-amz-bucket-object-lock-enabled': 'true' } });
  for (const bucket of ['plain', 'versioned']) {
    expect(await checked(bucket)).toEqual({
      starts: true,
      said: [`ok what is deleted from ${bucket} is gone.`],
      left: [],
    });
  }
  expect(await checked('locked')).toEqual({
    starts: false,
    said: [expect.stringContaining('fault the bucket locked has Object Lock')],
    left: [],
  });
});
