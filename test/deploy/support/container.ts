/** Containers and Pods for the time of one test: as locked down as in production, on the machine's own network. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseAllDocuments, stringify } from 'yaml';
import { output, run } from './tools.ts';

/** What SECURITY.md and the chart ask for: nothing to write to, an unprivileged user, no capability, and no way to more. */
export const LOCKED_DOWN = [
  '--read-only',
  '--read-only-tmpfs=false',
  '--user=1000:1000',
  '--cap-drop=all',
  '--security-opt=no-new-privileges',
  '--network=host',
];

export interface Container {
  readonly name: string;
  /** Both streams. */
  logs(): Promise<string>;
  exec(...args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** SIGTERM, then the wait for the end. The exit code. */
  stop(): Promise<number>;
  remove(): Promise<void>;
}

/** In the background. */
export async function startContainer(o: {
  readonly name: string;
  readonly image: string;
  readonly env: Readonly<Record<string, string>>;
  readonly options?: readonly string[];
  readonly command?: readonly string[];
}): Promise<Container> {
  const env = Object.entries(o.env).map(([name, value]) => `--env=${name}=${value}`);
  const { options = [], command = [] } = o;
  await output('podman', [
    'run',
    '--detach',
    `--name=${o.name}`,
    ...LOCKED_DOWN,
    ...env,
    ...options,
    o.image,
    ...command,
  ]);
  return containerOf(o.name);
}

export function containerOf(name: string): Container {
  return {
    name,
    async logs() {
      const { stdout, stderr } = await run('podman', ['logs', name]);
      return stdout + stderr;
    },
    exec: (...args) => run('podman', ['exec', name, ...args]),
    async stop() {
      await output('podman', ['kill', '--signal=TERM', name]);
      return exitCode(name);
    },
    async remove() {
      await run('podman', ['rm', '--force', '--time=0', name]);
    },
  };
}

/** Waits for the container's end. @throws Error when that takes three minutes */
export async function exitCode(name: string): Promise<number> {
  return Number((await output('podman', ['wait', name], { timeoutMs: 180_000 })).trim());
}

/**
 * The Pods and Secrets of a manifest, until `down`. Podman 4.3 reads its own copy of a Secret wrongly (it hands out the base64, and
 * knows no stringData): there its secrets are made in the form that it mounts, and the manifest's own are left out.
 */
export async function playManifest(manifest: string): Promise<{ down(): Promise<void> }> {
  const documents = parseAllDocuments(manifest).map((document) => document.toJS());
  const secrets = documents.filter(({ kind }) => kind === 'Secret');
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-manifest-'));
  const file = join(directory, 'manifest.yaml');
  const down = async () => {
    await run('podman', ['kube', 'down', file]);
    for (const { metadata } of secrets) {
      await run('podman', ['secret', 'rm', metadata.name]);
      await run('podman', ['volume', 'rm', metadata.name]);
    }
    await rm(directory, { recursive: true });
  };
  const isOld = /^podman version 4\.[0-3]\./.test(await output('podman', ['--version']));
  const played = isOld ? documents.filter(({ kind }) => kind !== 'Secret') : documents;
  await writeFile(file, played.map((document) => stringify(document)).join('---\n'), { mode: 0o600 });
  try {
    for (const { metadata, stringData } of isOld ? secrets : []) {
      const form = join(directory, metadata.name);
      await writeFile(form, stringify({ data: stringData }), { mode: 0o600 });
      await output('podman', ['secret', 'create', metadata.name, form]);
    }
    await output('podman', ['kube', 'play', '--network=host', file]);
    return { down };
  } catch (error) {
    await down();
    throw error;
  }
}

/** @throws Error with the container's log when it does not come to that */
export async function untilLogged(container: Container, text: string, timeoutMs = 120_000): Promise<string> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const logs = await container.logs();
    if (logs.includes(text)) return logs;
    if (Date.now() > end) throw new Error(`${container.name} did not say '${text}':\n${logs.slice(-3_000)}`);
    await setTimeout(200);
  }
}
