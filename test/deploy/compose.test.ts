/**
 * Protects: minio-compose.yml starts MinIO and Sealgate in front of it, as it stands, by `podman-compose`; a tenant is made by the
 * command that the README gives, and MinIO's volume holds ciphertext. The image of MinIO is made here out of the installed program, and
 * both services are on the machine's own network: nothing else is other than in the file.
 */
import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { PROJECT } from '../e2e/support/program.ts';
import { filesOf, findOnPath } from '../e2e/support/store-under-test.ts';
import { freePort } from '../helpers/child-server.ts';
import { containerOf, untilLogged } from './support/container.ts';
import { sealgateImage } from './support/image.ts';
import { clientOf } from './support/sealed-store.ts';
import { needTool, output, run } from './support/tools.ts';

const SECRET = 'a sentence that the composed services keep';

test('MinIO and Sealgate, composed', async (context) => {
  const compose = needTool(context, 'podman-compose');
  const minio = findOnPath('minio', [join(homedir(), 'go/bin')]);
  if (minio === undefined) return context.skip('MinIO is not installed');
  const image = await sealgateImage(context);
  const { services } = parse(readFileSync(join(PROJECT, 'minio-compose.yml'), 'utf8'));
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-compose-'));
  const [storePort, port, opsPort] = [await freePort(), await freePort(), await freePort()];
  const project = `sg${port}`;
  copyFileSync(minio, join(directory, 'minio'));
  await writeFile(
    join(directory, 'Dockerfile'),
    `FROM ${image}\nCOPY minio /usr/local/bin/minio\nUSER 0\nENTRYPOINT ["minio"]\n`,
  );
  await output('podman', ['build', '--isolation=chroot', '--pull=never', '--tag', services.minio.image, directory]);
  await writeFile(
    join(directory, 'here.yml'),
    stringify({
      services: {
        minio: { network_mode: 'host', command: `server /data --address 127.0.0.1:${storePort}` },
        sealgate: {
          image,
          network_mode: 'host',
          environment: {
            SEALGATE_LISTEN: `127.0.0.1:${port}`,
            SEALGATE_OPS_LISTEN: `127.0.0.1:${opsPort}`,
            SEALGATE_BACKEND: `http://127.0.0.1:${storePort}`,
          },
        },
      },
    }),
  );
  const env = {
    MINIO_ROOT_USER: 'sealgate',
    MINIO_ROOT_PASSWORD: randomBytes(20).toString('hex'),
    SEALGATE_SEAL_KEYS: `s1:${randomBytes(32).toString('base64')}`,
  };
  const files = ['-p', project, '-f', 'minio-compose.yml', '-f', join(directory, 'here.yml')];
  const composed = (...args: readonly string[]) => output(compose, [...files, ...args], { env, timeoutMs: 300_000 });
  try {
    const missing = await run(compose, [...files, 'config'], { env: { ...env, SEALGATE_SEAL_KEYS: '' } });
    expect([missing.code === 0, missing.stderr + missing.stdout]).toEqual([
      false,
      expect.stringContaining('set it to kid:base64 of 32 random bytes'),
    ]);
    await composed('up', '--detach', '--no-build');
    const names = (await output('podman', ['ps', '--all', '--format={{.Names}}']))
      .split('\n')
      .filter((one) => one.startsWith(project));
    const sealgate = containerOf(
      names.find((one) => one.includes('sealgate_') || one.endsWith('sealgate-1')) ?? names.join(),
    );
    await untilLogged(sealgate, '"msg":"serving"');
    const made = await composed(
      'exec',
      '-T',
      'sealgate',
      'node',
      'bin/sealgate.js',
      'tenant',
      'create',
      '--bucket',
      '*',
      '--json',
    );
    const client = clientOf(`http://127.0.0.1:${port}`, JSON.parse(/\{.*\}/.exec(made)?.[0] ?? ''));
    await client.send(new CreateBucketCommand({ Bucket: 'photos' }));
    await client.send(new PutObjectCommand({ Bucket: 'photos', Key: 'a', Body: SECRET }));
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'photos', Key: 'a' }));
    expect(await Body?.transformToString()).toBe(SECRET);
    client.destroy();
    const volume = (
      await output('podman', ['volume', 'inspect', '--format={{.Mountpoint}}', `${project}_minio-data`])
    ).trim();
    let kept = 0;
    for await (const { content } of filesOf(volume)) {
      kept += 1;
      expect(content.includes(SECRET)).toBe(false);
    }
    expect(kept).toBeGreaterThan(0);
    expect((await sealgate.exec('cat', '/proc/self/status')).stdout).toMatch(/^CapEff:\t0{16}$/m);
  } finally {
    await run(compose, [...files, 'down', '--volumes'], { env });
    await run('podman', ['image', 'rm', '--force', services.minio.image]);
    await rm(directory, { recursive: true, force: true });
  }
});
