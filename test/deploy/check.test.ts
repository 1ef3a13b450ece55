/**
 * Protects: `sealgate check`, as an operator runs it on a real store: in a good set-up every line is ok; in each bad one the cause is
 * named, with what to do, and exit code 1. The transcripts are printed.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCertificate } from '../e2e/support/certificate.ts';
import { runProgram } from '../e2e/support/program.ts';
import { freePort } from '../helpers/child-server.ts';
import { openSealedStore, type SealedStore } from './support/sealed-store.ts';

let sealed: SealedStore | undefined;
beforeAll(async () => {
  sealed = await openSealedStore();
  await sealed?.createTenant();
});
afterAll(() => sealed?.close());

type Settings = Record<string, string>;

interface BadSetUp {
  readonly name: string;
  /** What is other than in the good one. */
  readonly settings: (o: SealedStore) => Promise<Settings> | Settings;
  /** The line that names the cause, and what to do. */
  readonly says: RegExp;
}

const BAD: readonly BadSetUp[] = [
  {
    name: 'the secret of the store is wrong',
    settings: () => ({ SEALGATE_BACKEND_SECRET_ACCESS_KEY: randomBytes(20).toString('hex') }),
    says: /^fault {4}store: .*(signature|secret).*SEALGATE_BACKEND_SECRET_ACCESS_KEY/im,
  },
  {
    name: 'the access key id is unknown at the store',
    settings: () => ({ SEALGATE_BACKEND_ACCESS_KEY_ID: 'nobody-knows-this-id' }),
    says: /^fault {4}store: .*SEALGATE_BACKEND_ACCESS_KEY_ID/m,
  },
  {
    name: 'nothing listens at the endpoint',
    settings: async () => ({ SEALGATE_BACKEND: `http://127.0.0.1:${await freePort()}` }),
    says: /^fault {4}store: .*(nothing listens|refuse).*\. .+/im,
  },
  {
    name: 'https to a port that speaks plain HTTP',
    settings: (o) => ({ SEALGATE_BACKEND: (o.settings['SEALGATE_BACKEND'] ?? '').replace('http:', 'https:') }),
    says: /^fault {4}store: .*http:\/\//m,
  },
  {
    name: 'the seal key is another one',
    settings: () => ({ SEALGATE_SEAL_KEYS: `s2:${randomBytes(32).toString('base64')}` }),
    says: /^fault {4}seal keys: 0 of 1 keyrings verify; .*'s1', which is not configured\. Configured is: s2\. Add the missing seal key/m,
  },
  {
    name: 'the state bucket holds other things',
    settings: async ({ store }) => {
      await store.client?.send(new CreateBucketCommand({ Bucket: 'shared-by-all' }));
      await store.client?.send(new PutObjectCommand({ Bucket: 'shared-by-all', Key: 'report.pdf', Body: 'x' }));
      return { SEALGATE_STATE: 'shared-by-all' };
    },
    says: /^fault {4}SEALGATE_STATE: .*"report\.pdf"\. Name a bucket that is used for nothing else/m,
  },
  {
    name: 'certificate and key do not fit',
    settings: ({ directory }) => {
      const { certificate } = makeCertificate(directory);
      const other = join(directory, 'other.key');
      writeFileSync(other, 'no key');
      return { SEALGATE_TLS_CERT: certificate, SEALGATE_TLS_KEY: other };
    },
    says: /^fault {4}SEALGATE_TLS_KEY: .*\. .+/m,
  },
  {
    name: 'a setting is misspelt, and another has no sense',
    settings: () => ({ SEALGATE_LISTN: '0.0.0.0:8080', SEALGATE_WORKERS: 'many' }),
    says: /^fault {4}SEALGATE_LISTN: .*Did you mean 'SEALGATE_LISTEN'\?[\s\S]*^fault {4}SEALGATE_WORKERS: .+/m,
  },
  {
    name: 'the file of seal keys is not there',
    settings: ({ directory }) => ({ SEALGATE_SEAL_KEYS: '', SEALGATE_SEAL_KEYS_FILE: join(directory, 'nothing') }),
    says: /^fault {4}SEALGATE_SEAL_KEYS_FILE: .* cannot be read \(ENOENT\)\. .+/m,
  },
];

async function check(name: string, o: SealedStore, more: Settings): Promise<{ code: number | null; stdout: string }> {
  const { code, stdout, stderr } = await runProgram(['check'], { ...o, settings: { ...o.settings, ...more } });
  console.log(`--- ${name}: exit code ${code}\n${stdout}${stderr}`);
  expect(stdout).not.toContain(o.settings['SEALGATE_BACKEND_SECRET_ACCESS_KEY'] ?? '?');
  return { code, stdout };
}

test('a good set-up: ok in every line', async (context) => {
  if (sealed === undefined) return context.skip('neither MinIO nor moto is installed');
  const { code, stdout } = await check('a good set-up', sealed, {});
  expect(code).toBe(0);
  expect(
    stdout
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('ok ')),
  ).toEqual([]);
  expect(stdout).toContain('1 keyrings verify');
});

test.for(BAD)('$name', async ({ name, settings, says }, context) => {
  if (sealed === undefined) return context.skip('neither MinIO nor moto is installed');
  const { code, stdout } = await check(name, sealed, await settings(sealed));
  expect([code, stdout]).toEqual([1, expect.stringMatching(says)]);
});
