/**
 * Protects: the chart's Deployment runs as it is rendered: its user, its read-only file system, its mounted secrets and its settings
 * let the program serve. Podman plays it; probes are left out, as podman asks them with a curl that the image does not have.
 */
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { freePort } from '../helpers/child-server.ts';
import { CHART, documentsOf, render } from './support/chart.ts';
import { containerOf, playManifest, untilLogged } from './support/container.ts';
import { sealgateImage } from './support/image.ts';
import { clientOf, openSealedStore } from './support/sealed-store.ts';
import { needTool, output } from './support/tools.ts';

const SECRET = 'a sentence that goes through the gateway';

test('the rendered Deployment serves', async (context) => {
  const helm = needTool(context, 'helm');
  const image = await sealgateImage(context);
  const sealed = await openSealedStore();
  if (sealed === undefined) return context.skip('neither MinIO nor moto is installed');
  const [port, opsPort] = [await freePort(), await freePort()];
  const name = `gate-${port}`;
  const [repository, tag] = image.split(/:(?=[^/]+$)/);
  const set = {
    'image.repository': repository,
    'image.tag': tag,
    'image.pullPolicy': 'Never',
    replicaCount: 1,
    'store.endpoint': sealed.settings['SEALGATE_BACKEND'],
    'store.credentials.existingSecret': `store-${name}`,
    'state.bucket': 'sealgate-state',
    'sealKeys.existingSecret': `seal-keys-${name}`,
    'drain.delaySeconds': 1,
  };
  const rendered = await render(
    helm,
    CHART,
    Object.entries(set).map(([key, value]) => `--set=${key}=${value}`),
  );
  const deployment = documentsOf(rendered).find(({ kind }) => kind === 'Deployment');
  deployment.metadata.name = name;
  const [container] = deployment.spec.template.spec.containers;
  // On the machine's own network there are no ports to map.
  for (const part of ['startupProbe', 'readinessProbe', 'livenessProbe', 'ports']) delete container[part];
  for (const one of container.env) {
    // Its ports are the machine's here.
    if (one.name === 'SEALGATE_LISTEN') one.value = `127.0.0.1:${port}`;
    if (one.name === 'SEALGATE_OPS_LISTEN') one.value = `127.0.0.1:${opsPort}`;
  }
  const secret = (of: string, stringData: Record<string, string | undefined>) =>
    stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name: of }, stringData });
  const manifest = [
    secret(`store-${name}`, {
      'access-key-id': sealed.settings['SEALGATE_BACKEND_ACCESS_KEY_ID'],
      'secret-access-key': sealed.settings['SEALGATE_BACKEND_SECRET_ACCESS_KEY'],
    }),
    secret(`seal-keys-${name}`, { 'seal-keys': sealed.settings['SEALGATE_SEAL_KEYS'] }),
    stringify(deployment),
  ].join('---\n');
  const tenant = await sealed.createTenant();
  const played = await playManifest(manifest);
  try {
    // Podman names the Pod of a Deployment as its version does.
    const names = (await output('podman', ['ps', '--all', '--format={{.Names}}'])).split('\n');
    const gateway = containerOf(names.find((one) => one.startsWith(`${name}-pod`) && one.endsWith('-sealgate')) ?? '');
    await untilLogged(gateway, '"msg":"serving"');
    const client = clientOf(`http://127.0.0.1:${port}`, tenant);
    await client.send(new CreateBucketCommand({ Bucket: 'photos' }));
    await client.send(new PutObjectCommand({ Bucket: 'photos', Key: 'a', Body: SECRET }));
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'photos', Key: 'a' }));
    expect(await Body?.transformToString()).toBe(SECRET);
    client.destroy();
    expect((await fetch(`http://127.0.0.1:${opsPort}/readyz`)).status).toBe(200);
    expect((await gateway.exec('cat', '/proc/1/status')).stdout).toMatch(/^CapEff:\t0{16}$/m);
    expect(await sealed.holds(SECRET)).toBe(false);
  } finally {
    await played.down();
    await sealed.close();
  }
});
