/**
 * Protects: the sidecar's Pod, played as it stands in the repository with only its capitals filled in: an application with a stock S3
 * client speaks to Sealgate beside it, and gets back what it stored; the store outside holds ciphertext.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PROJECT } from '../e2e/support/program.ts';
import { freePort } from '../helpers/child-server.ts';
import { containerOf, exitCode, playManifest, untilLogged } from './support/container.ts';
import { applicationImage, sealgateImage } from './support/image.ts';
import { openSealedStore } from './support/sealed-store.ts';

const SECRET = 'a sentence that the Pod alone may see';

/** It waits for its sidecar as podman starts both at once; everything else is what any application does. */
const APPLICATION = `import os, time, boto3
from botocore.exceptions import EndpointConnectionError
body = b'${SECRET} ' * 50_000
s3 = boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT_URL_S3'])
end = time.time() + 120
while True:
    try:
        s3.create_bucket(Bucket='from-the-pod')
        break
    except EndpointConnectionError:
        if time.time() > end: raise
        time.sleep(0.2)
s3.put_object(Bucket='from-the-pod', Key='letter', Body=body, ContentType='text/plain', Metadata={'note': '${SECRET}'})
got = s3.get_object(Bucket='from-the-pod', Key='letter')
assert got['Body'].read() == body and got['Metadata']['note'] == '${SECRET}' and got['ContentType'] == 'text/plain'
print('uid', os.getuid(), 'boto3', boto3.__version__, 'read back', len(body), 'bytes', flush=True)
`;

test('the Pod of deploy/sidecar round-trips with boto3, and the store holds ciphertext', async (context) => {
  const [sealgate, application] = [await sealgateImage(context), await applicationImage(context)];
  const sealed = await openSealedStore();
  if (sealed === undefined) return context.skip('neither MinIO nor moto is installed');
  const tenant = await sealed.createTenant();
  // Its ports are the machine's here.
  const [port, opsPort] = [await freePort(), await freePort()];
  const filled: Readonly<Record<string, string>> = {
    SEAL_KEYS: sealed.settings['SEALGATE_SEAL_KEYS'] ?? '',
    STORE_ACCESS_KEY_ID: sealed.settings['SEALGATE_BACKEND_ACCESS_KEY_ID'] ?? '',
    STORE_SECRET_ACCESS_KEY: sealed.settings['SEALGATE_BACKEND_SECRET_ACCESS_KEY'] ?? '',
    STORE_ENDPOINT: sealed.settings['SEALGATE_BACKEND'] ?? '',
    TENANT_ACCESS_KEY_ID: tenant.accessKeyId,
    TENANT_SECRET_ACCESS_KEY: tenant.secretAccessKey,
    APPLICATION_IMAGE: application,
    APPLICATION_COMMAND: `\n        - python3\n        - -c\n        - |\n${APPLICATION.trim().replaceAll(/^/gm, ' '.repeat(10))}`,
  };
  const name = `app-${randomBytes(4).toString('hex')}`;
  const manifest = readFileSync(join(PROJECT, 'deploy/sidecar/pod.yaml'), 'utf8')
    .replaceAll(/(?<=[:=] )[A-Z_]+$/gm, (word) => filled[word] ?? word)
    .replace(/image: registry\S+/, `image: ${sealgate}`)
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
    .replaceAll('127.0.0.1:8081', `127.0.0.1:${opsPort}`)
    .replaceAll('app-with-sealgate', name)
    .replaceAll(/(?<=metadata:\n {2}name: |secretName: )(sealgate|app-credentials)$/gm, `$1-${name}`);
  const pod = await playManifest(manifest);
  try {
    const app = containerOf(`${name}-app`);
    const sidecar = containerOf(`${name}-sealgate`);
    const code = await exitCode(app.name);
    if (code !== 0) console.log(await sidecar.logs());
    expect([code, await app.logs()]).toEqual([0, expect.stringMatching(/^uid 1000 boto3 \S+ read back 1900000 bytes/)]);
    console.log(`Pod: ${(await app.logs()).trim()}`);
    const logs = await untilLogged(sidecar, '"operation":"GetObject"');
    expect(logs).not.toContain(SECRET);
    const status = (await sidecar.exec('cat', '/proc/1/status')).stdout;
    expect(status).toMatch(/^CapEff:\t0{16}$/m);
    expect((await sidecar.exec('touch', '/tmp/x')).code).not.toBe(0);
    expect(await sealed.holds(SECRET)).toBe(false);
  } finally {
    await pod.down();
    await sealed.close();
  }
});
