/**
 * Protects: the image builds from the repository alone and serves as an unprivileged user, with a read-only root file system and
 * without any capability; it holds the bundle and no sources; its commands work in the running container; it stops on SIGTERM.
 */
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { freePort } from '../helpers/child-server.ts';
import { LOCKED_DOWN, startContainer, untilLogged } from './support/container.ts';
import { sealgateImage } from './support/image.ts';
import { clientOf, openSealedStore } from './support/sealed-store.ts';
import { output } from './support/tools.ts';

const SECRET = 'a sentence that only its reader may see';

test('the image holds the bundle, for a user without rights, and nothing to build it with', async (context) => {
  const image = await sealgateImage(context);
  const [{ Config, Size }] = JSON.parse(await output('podman', ['image', 'inspect', image]));
  expect(Config).toMatchObject({ User: '1000:1000', Entrypoint: ['node', '/app/bin/sealgate.js'], Cmd: ['serve'] });
  const inside = (...command: readonly string[]) =>
    output('podman', ['run', '--rm', ...LOCKED_DOWN, `--entrypoint=${JSON.stringify(command)}`, image]);
  const files = await inside('find', '/app', '-type', 'f');
  const names = files.trim().split('\n');
  expect(names).toEqual(
    expect.arrayContaining(['/app/dist/main.js', '/app/dist/THIRD-PARTY-LICENSES.txt', '/app/LICENSE']),
  );
  const packages = new Set(names.flatMap((name) => /^\/app\/node_modules\/([^/]+)/.exec(name)?.[1] ?? []));
  expect([...packages]).toEqual(['@node-rs']);
  expect(names.filter((name) => name.endsWith('.ts') && !name.includes('/node_modules/'))).toEqual([]);
  const kilobytes = Number((await inside('du', '-sk', '/app')).split('\t')[0]);
  console.log(`image: ${Math.round(Size / 1e6)} MB, of which Sealgate ${Math.round(kilobytes / 1000)} MB`);
  expect(kilobytes).toBeLessThan(20_000);
});

test('it serves, locked down: round trip, ciphertext at the store, commands, stop', async (context) => {
  const image = await sealgateImage(context);
  const sealed = await openSealedStore();
  if (sealed === undefined) return context.skip('neither MinIO nor moto is installed');
  const [port, opsPort] = [await freePort(), await freePort()];
  const container = await startContainer({
    name: `sealgate-image-${port}`,
    image,
    env: {
      ...sealed.settings,
      SEALGATE_LISTEN: `127.0.0.1:${port}`,
      SEALGATE_OPS_LISTEN: `127.0.0.1:${opsPort}`,
      SEALGATE_DRAIN_DELAY: '1s',
    },
  });
  try {
    await untilLogged(container, '"msg":"serving"');
    const made = await container.exec('sealgate', 'tenant', 'create', '--bucket', '*', '--json');
    expect([made.code, made.stderr]).toEqual([0, '']);
    const client = clientOf(`http://127.0.0.1:${port}`, JSON.parse(made.stdout));
    await client.send(new CreateBucketCommand({ Bucket: 'photos' }));
    await client.send(new PutObjectCommand({ Bucket: 'photos', Key: 'a', Body: SECRET }));
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'photos', Key: 'a' }));
    expect(await Body?.transformToString()).toBe(SECRET);
    client.destroy();
    expect(await sealed.holds(SECRET)).toBe(false);

    const checked = await container.exec('sealgate', 'check');
    expect(checked.stdout).toMatch(/^ok {7}store: /m);
    expect([checked.code, checked.stdout.includes('fault')]).toEqual([0, false]);
    const status = (await container.exec('cat', '/proc/1/status')).stdout;
    expect(status).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
    expect(status).toMatch(/^CapEff:\t0{16}$/m);
    expect(status).toMatch(/^CapBnd:\t0{16}$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    for (const place of ['/', '/app', '/tmp']) {
      const written = await container.exec('touch', `${place}/x`);
      expect(written.stderr).toMatch(/Read-only file system|Permission denied/);
    }
    expect((await fetch(`http://127.0.0.1:${opsPort}/readyz`)).status).toBe(200);
    expect(await container.stop()).toBe(0);
    expect(await container.logs()).toContain('stopping: clients are sent elsewhere');
  } finally {
    await container.remove();
    await sealed.close();
  }
});
