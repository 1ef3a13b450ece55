/**
 * The project's image, built from its Dockerfile by podman, once for a run of the suite; and an image of an application with a stock
 * S3 client. Where no registry can be reached, `.ci/containers` makes the image that the Dockerfile begins with.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { PROJECT } from '../../e2e/support/program.ts';
import { needTool, output, run } from './tools.ts';

/** The variable with the name of this run. */
export const IMAGES = 'TEST_IMAGES';

const [, BASE = ''] = /^FROM (\S+) AS build$/m.exec(readFileSync(join(PROJECT, 'Dockerfile'), 'utf8')) ?? [];
const BASE_IMAGE = `docker.io/library/${BASE}`;

const FOLDER = 'test/deploy/support';

function imageName(of: 'sealgate' | 'application'): string {
  return `localhost/${of}-test:${process.env[IMAGES] ?? 'once'}`;
}

/** The name of the project's image. Ends the test as left out where no image can be built. */
export async function sealgateImage(context: TestContext): Promise<string> {
  return built(context, imageName('sealgate'), ['--file=Dockerfile', '.']);
}

/** The name of an image with Python and boto3. */
export async function applicationImage(context: TestContext): Promise<string> {
  return built(context, imageName('application'), [
    `--build-arg=BASE=${BASE_IMAGE}`,
    `--file=${FOLDER}/application.Dockerfile`,
    FOLDER,
  ]);
}

async function built(context: TestContext, name: string, args: readonly string[]): Promise<string> {
  const podman = needTool(context, 'podman');
  if ((await run(podman, ['image', 'exists', name])).code === 0) return name;
  if ((await run(podman, ['image', 'exists', BASE_IMAGE])).code !== 0) {
    const pulled = await run(podman, ['pull', '--quiet', BASE_IMAGE], { timeoutMs: 180_000 });
    if (pulled.code !== 0) context.skip(`${BASE_IMAGE} cannot be pulled; .ci/containers makes a stand-in`);
  }
  const how = ['build', '--isolation=chroot', '--pull=never', '--layers=false', '--network=host', '--tag', name];
  await output(podman, [...how, ...args]);
  return name;
}

export async function removeImages(): Promise<void> {
  for (const name of [imageName('sealgate'), imageName('application')]) {
    await run('podman', ['image', 'rm', '--force', name]).catch(() => undefined);
  }
}
