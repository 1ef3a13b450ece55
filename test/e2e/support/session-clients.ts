/**
 * Stock clients that find temporary credentials by themselves. Each is a process with the same environment; each writes an object, reads
 * the object back, writes one elsewhere, and says what came of the three and, where it can ask, who it is.
 */
import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import { installedClient } from './installed-clients.ts';
import { NODE } from './program.ts';
import { pathOfProgram } from './program-checks.ts';
import { type ClientRun, runClient, versionOf } from './run-client.ts';
import type { Stage } from './stage.ts';
import { findOnPath } from './store-under-test.ts';

const Report = z.object({
  arn: z.string().optional(),
  put: z.string(),
  get: z.string(),
  other: z.string(),
});
export type Report = z.infer<typeof Report>;

const Issued = z.object({ accessKeyId: z.string(), secretAccessKey: z.string(), sessionToken: z.string() });
export type Issued = z.infer<typeof Issued>;

export type Environment = Readonly<Record<string, string>>;

export interface Probe {
  readonly stage: Stage;
  readonly env: Environment;
  readonly key: string;
  readonly other: string;
}

export interface SessionClient {
  readonly name: string;
  readonly isInstalled: boolean;
  use(o: Probe): Promise<Report>;
  /** Gets credentials narrowed by a policy (GetFederationToken); not every client has STS. */
  narrow?(o: { stage: Stage; env: Environment; policy: string }): Promise<Issued>;
}

function outputOf({ code, stdout, stderr }: ClientRun): unknown {
  if (code !== 0) throw new Error(`exited with ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

/** A program of clients/ that prints a report. */
function program(o: {
  name: string;
  command: string | undefined;
  args: readonly string[];
  hasSts: boolean;
}): SessionClient {
  const run = async (stage: Stage, env: Environment, names: readonly string[]) =>
    outputOf(await runClient(o.command ?? '', [...o.args, ...names], { directory: stage.directory, env }));
  return {
    name: o.name,
    isInstalled: o.command !== undefined,
    use: async ({ stage, env, key, other }) => Report.parse(await run(stage, env, [stage.bucket, key, other])),
    ...(o.hasSts && {
      narrow: async ({ stage, env, policy }) =>
        Issued.parse(await run(stage, { ...env, PROBE_FEDERATE: policy }, [stage.bucket, 'none', 'none'])),
    }),
  };
}

const AWS = findOnPath('aws');

async function aws(stage: Stage, env: Environment, args: readonly string[]): Promise<ClientRun> {
  return runClient(AWS ?? '', args, { directory: stage.directory, env });
}

/** 'ok', or the code that stands in its message. */
const codeIn = ({ code, stderr }: ClientRun) => (code === 0 ? 'ok' : (/\((\w+)\)/.exec(stderr)?.[1] ?? stderr));

const awsCli: SessionClient = {
  name: 'aws-cli',
  isInstalled: AWS !== undefined,
  async use({ stage, env, key, other }) {
    const body = stage.path('body');
    writeFileSync(body, 'written in a session');
    const put = (name: string) =>
      aws(stage, env, ['s3api', 'put-object', '--bucket', stage.bucket, '--key', name, '--body', body]);
    const get = () =>
      aws(stage, env, ['s3api', 'get-object', '--bucket', stage.bucket, '--key', key, stage.path('back')]);
    const identity = outputOf(await aws(stage, env, ['sts', 'get-caller-identity'])) as { Arn: string };
    return {
      arn: identity.Arn,
      put: codeIn(await put(key)),
      get: codeIn(await get()),
      other: codeIn(await put(other)),
    };
  },
  async narrow({ stage, env, policy }) {
    const args = ['sts', 'get-federation-token', '--name', 'probe', '--policy', policy];
    const { Credentials } = outputOf(await aws(stage, env, args)) as { Credentials: Record<string, string> };
    const { AccessKeyId, SecretAccessKey, SessionToken } = Credentials;
    return Issued.parse({ accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken });
  },
};

const rcloneVersion = await versionOf('rclone', ['version']);

/** It looks before it writes, which takes s3:ListBucket, and sends an ACL with every object, which takes s3:PutObjectAcl, as on AWS. */
const rclone: SessionClient = {
  name: 'rclone',
  isInstalled: rcloneVersion !== undefined,
  async use({ stage, env, key, other }) {
    const config = stage.path('rclone.conf');
    const settings = { type: 's3', provider: 'Other', env_auth: 'true', endpoint: stage.endpoint, region: 'us-east-1' };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
    writeFileSync(config, ['[s]', ...lines, ''].join('\n'), { mode: 0o600 });
    const common = ['--config', config, '--retries', '1', '--low-level-retries', '1', '--s3-no-check-bucket'];
    const run = (args: readonly string[]) =>
      runClient('rclone', [...common, ...args], { directory: stage.directory, env, stdin: 'written in a session' });
    const code = ({ code: exit, stderr }: ClientRun) =>
      exit === 0 ? 'ok' : (/AccessDenied|ExpiredToken|InvalidToken/.exec(stderr)?.[0] ?? stderr);
    const at = `s:${stage.bucket}`;
    const read = async () => {
      const shown = await run(['cat', `${at}/${key}`]);
      // It takes what is missing for an empty directory.
      return shown.code === 0 && shown.stdout !== 'written in a session' ? 'other bytes' : code(shown);
    };
    return {
      put: code(await run(['rcat', `${at}/${key}`])),
      get: await read(),
      other: code(await run(['rcat', `${at}/${other}`])),
    };
  },
};

const javaClasses = installedClient('java', 'classes', 'Session.class');
const javaPath = `${installedClient('java', 'classes')}:${installedClient('java', 'lib')}/*`;
const boto3 = await versionOf('python3', ['-c', 'import boto3; print(boto3.__version__)']);
const go = installedClient('bin', 'go-checks');

export const SESSION_CLIENTS: readonly SessionClient[] = [
  program({
    name: 'boto3',
    command: boto3 === undefined ? undefined : 'python3',
    args: [pathOfProgram('boto3_session.py')],
    hasSts: true,
  }),
  awsCli,
  program({
    name: 'AWS SDK for JavaScript v3',
    command: NODE,
    args: [pathOfProgram('sdk-session-child.ts')],
    hasSts: false,
  }),
  program({ name: 'AWS SDK for Go v2', command: go, args: ['session'], hasSts: true }),
  program({
    name: 'AWS SDK for Java v2',
    command: javaClasses === undefined ? undefined : 'java',
    args: ['-cp', javaPath, 'Session'],
    hasSts: true,
  }),
  rclone,
];
