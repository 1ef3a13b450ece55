/**
 * Protects: what people install is what Kubernetes takes. Each accepted file of values renders to manifests that the schemas of the
 * oldest and of the newest Kubernetes accept, with settings that the program takes; each refused one is refused, and by its name.
 * A chart of one's own can use the sidecar's template.
 */
import { cpSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, type TestContext, test } from 'vitest';
import { variables } from '../../proxy/config/settings.ts';
import { PROJECT } from '../e2e/support/program.ts';
import { CHART, documentsOf, OLDEST, render, subjectOf, templateArguments, valueFiles } from './support/chart.ts';
import { needTool, output, run } from './support/tools.ts';

const SCHEMAS = process.env['KUBERNETES_SCHEMAS'];

/** Against the schemas of both versions, where `.ci/schemas.js` has put them. */
async function validate(context: TestContext, manifest: string): Promise<void> {
  const kubeconform = needTool(context, 'kubeconform');
  if (SCHEMAS === undefined) return context.skip('KUBERNETES_SCHEMAS names no schemas: node .ci/schemas.js DIRECTORY');
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-chart-'));
  try {
    const file = join(directory, 'manifest.yaml');
    await writeFile(file, manifest);
    for (const version of [OLDEST, '1.37.0']) {
      const from = `${SCHEMAS}/${version}/{{ .ResourceKind }}{{ .KindSuffix }}.json`;
      const checked = await run(kubeconform, ['-strict', '-summary', '-schema-location', from, file]);
      expect([checked.code, checked.stdout]).toEqual([0, expect.stringContaining('Invalid: 0, Errors: 0, Skipped: 0')]);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
}

test('there are twelve files of values that are accepted, and eight or more that are refused', () => {
  expect(valueFiles('accepted')).toHaveLength(12);
  expect(valueFiles('refused').length).toBeGreaterThanOrEqual(8);
});

describe('accepted values', () => {
  test.for(valueFiles('accepted'))('%s: lint, rendering, schemas', async (file, context) => {
    const values = join(CHART, 'ci/accepted', file);

    const helm = needTool(context, 'helm');
    const linted = await output(helm, ['lint', '--strict', CHART, '--values', values, `--kube-version=${OLDEST}`]);
    expect(linted).toContain('1 chart(s) linted, 0 chart(s) failed');
    const manifest = await render(helm, CHART, ['--values', values]);
    const documents = documentsOf(manifest);
    const deployment = documents.find(({ kind }) => kind === 'Deployment');
    expect(deployment === undefined).toBe(file === '12-template-only.yaml');
    if (deployment === undefined) return expect(documents).toEqual([]);
    const { spec } = deployment.spec.template;
    const [container] = spec.containers;
    const settings: readonly { name: string; value?: string }[] = container.env;
    const unknown = settings.filter(({ name }) => name.startsWith('SEALGATE_') && !variables().includes(name));
    expect(unknown).toEqual([]);
    expect(settings.filter(({ name }) => /_FILE$|TLS_(CERT|KEY)$/.test(name)).map(({ value = '' }) => value)).toSatisfy(
      (paths: readonly string[]) =>
        paths.every((path) =>
          container.volumeMounts.some((mount: { mountPath: string }) => path.startsWith(`${mount.mountPath}/`)),
        ),
    );
    const seconds = (name: string) => Number(settings.find((one) => one.name === name)?.value);
    expect(spec.terminationGracePeriodSeconds).toBe(
      seconds('SEALGATE_DRAIN_DELAY') + seconds('SEALGATE_DRAIN_TIMEOUT') + 10,
    );
    expect(container.securityContext).toMatchObject({ readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
    await validate(context, manifest);
  });
});

describe('refused values', () => {
  test.for(valueFiles('refused'))('%s', async (file, context) => {
    const helm = needTool(context, 'helm');
    const values = join(CHART, 'ci/refused', file);
    const { code, stderr } = await run(helm, templateArguments(CHART, ['--values', values]));
    expect([code, stderr]).toEqual([1, expect.stringContaining(subjectOf(values))]);
  });
});

test('a chart of one’s own has the sidecar by its template', async (context) => {
  const helm = needTool(context, 'helm');
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-own-chart-'));
  try {
    for (const part of ['deploy/chart', 'deploy/sidecar/chart'])
      cpSync(join(PROJECT, part), join(directory, part), { recursive: true });
    const own = join(directory, 'deploy/sidecar/chart');
    await output(helm, ['dependency', 'update', own, '--skip-refresh']);
    const manifest = await render(helm, own);
    const [deployment, ...others] = documentsOf(manifest);
    expect(others).toEqual([]);
    const { initContainers, containers, volumes } = deployment.spec.template.spec;
    expect(initContainers).toMatchObject([
      { name: 'sealgate', restartPolicy: 'Always', image: expect.stringMatching(/:0\.1\.0$/) },
    ]);
    const names = volumes.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['sealgate-seal-keys', 'credentials']);
    expect(JSON.stringify(containers)).not.toContain('seal-keys');
    await validate(context, manifest);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('the Pod of deploy/sidecar fits the schemas', async (context) => {
  const { readFileSync } = await import('node:fs');
  await validate(
    context,
    readFileSync(join(PROJECT, 'deploy/sidecar/pod.yaml'), 'utf8').replace(': APPLICATION_COMMAND', ': [app]'),
  );
});
