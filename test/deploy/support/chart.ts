/** Helm's renderings of the charts, as objects. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { PROJECT } from '../../e2e/support/program.ts';
import { output } from './tools.ts';

export const CHART = join(PROJECT, 'deploy/chart');
/** The oldest version of Kubernetes that the chart takes. */
export const OLDEST = '1.29.0';

/** Files of values: what is accepted, or what is refused. */
export function valueFiles(kind: 'accepted' | 'refused'): readonly string[] {
  return readdirSync(join(CHART, 'ci', kind)).sort();
}

/** The first line of a file of values says in a comment what it is about, or what its refusal names. */
export function subjectOf(file: string): string {
  return readFileSync(file, 'utf8').split('\n')[0]?.slice(2) ?? '';
}

export function templateArguments(chart: string, more: readonly string[] = []): readonly string[] {
  return ['template', 'gate', chart, '--namespace=storage', `--kube-version=${OLDEST}`, ...more];
}

/** @throws Error with helm's words when it refuses the values */
export async function render(helm: string, chart: string, more: readonly string[] = []): Promise<string> {
  return output(helm, templateArguments(chart, more));
}

// biome-ignore lint/suspicious/noExplicitAny: manifests are whatever they are
export function documentsOf(manifest: string): readonly any[] {
  return parseAllDocuments(manifest)
    .map((document) => document.toJS())
    .filter((document) => document !== null);
}
