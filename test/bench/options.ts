/** The benchmark's command line. Secrets come from files or the environment, never from arguments, which anyone may list. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { SigningCredentials } from '../helpers/raw-client.ts';

export const USAGE = `Usage: npm run bench -- [options]

  --quick               about a minute: fewer loads, two short rounds
  --only LOAD,...       only these loads; * stands for anything: 'get-*,*-tls'
  --rounds N            measurements of each load and target (default 5; quick: 2)
  --seconds S           length of each measurement (default 3; quick: 0.4)
  --target NAME=URL[,pid=N][,credentials=FILE][,region=R]
                        a further endpoint beside the others; repeat it for more. FILE is JSON with accessKeyId and
                        secretAccessKey; or set BENCH_NAME_ACCESS_KEY_ID and BENCH_NAME_SECRET_ACCESS_KEY
  --base DIR            a second Sealgate, from another checkout with its packages installed: what a change brought
  --backend URL[,credentials=FILE][,region=R]
                        a real S3 store instead of the built-in sink; or BENCH_BACKEND_ACCESS_KEY_ID and ..._SECRET_ACCESS_KEY
  --sink-port N         where the sink listens, for targets that must know it before
  --opaque              a second Sealgate, with opaque ETags and SEALGATE_LEGACY=deny; in the tables: opaque
  --set NAME=VALUE      a SEALGATE_ setting of the proxy under test; repeat it for more
  --soak MINUTES        instead of measuring: all kinds of load at Sealgate at once, with its memory watched
  --profile DIR         write a processor profile of Sealgate there
  --out DIR             write results.json, results.md and results.svg there
  --write docs          write the tables and the plot into docs/performance.md
  --list                print the names of all loads
`;

export interface NamedEndpoint {
  readonly name: string;
  readonly url: string;
  readonly credentials: SigningCredentials;
  readonly region: string;
  readonly pids: readonly number[];
}

export interface Options {
  readonly quick: boolean;
  readonly list: boolean;
  readonly only: readonly string[];
  readonly rounds: number;
  readonly milliseconds: number;
  readonly warmUpMs: number;
  readonly targets: readonly NamedEndpoint[];
  /** Absolute path of another checkout. */
  readonly base: string | undefined;
  /** Whether a Sealgate with opaque ETags is measured too. */
  readonly opaque: boolean;
  readonly backend: NamedEndpoint | undefined;
  readonly sinkPort: number | undefined;
  readonly settings: Readonly<Record<string, string>>;
  readonly soakMinutes: number | undefined;
  readonly profile: string | undefined;
  readonly out: string | undefined;
  readonly writesDocs: boolean;
}

/** Milliseconds of load before the first measurement of each target: what it runs is compiled by then. */
const WARM_UP_MS = 1_000;
const QUICK_WARM_UP_MS = 300;

export class UsageError extends Error {}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws UsageError */
export function parseOptions(args: readonly string[], environment: Environment): Options {
  const { values } = parse(args);
  const quick = values.quick === true;
  if (values.write !== undefined && values.write !== 'docs') throw new UsageError('--write takes docs');
  return {
    quick,
    list: values.list === true,
    only: values.only?.split(',').filter((name) => name !== '') ?? [],
    rounds: bounded('--rounds', values.rounds ?? (quick ? '2' : '5'), 1, 100),
    milliseconds: 1000 * bounded('--seconds', values.seconds ?? (quick ? '0.4' : '3'), 0.05, 600),
    warmUpMs: quick ? QUICK_WARM_UP_MS : WARM_UP_MS,
    targets: (values.target ?? []).map((text) => namedEndpoint(text, environment)),
    base: values.base === undefined ? undefined : checkout(values.base),
    opaque: values.opaque === true,
    backend: values.backend === undefined ? undefined : namedEndpoint(`backend=${values.backend}`, environment),
    sinkPort: values['sink-port'] === undefined ? undefined : bounded('--sink-port', values['sink-port'], 1, 65_535),
    settings: Object.fromEntries((values.set ?? []).map(setting)),
    soakMinutes: values.soak === undefined ? undefined : bounded('--soak', values.soak, 0.1, 10_080),
    profile: values.profile,
    out: values.out,
    writesDocs: values.write === 'docs',
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const texts = { type: 'string', multiple: true } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{
          quick: flag,
          opaque: flag,
          list: flag,
          only: text,
          rounds: text,
          seconds: text,
          target: texts,
          backend: text,
        },
        ...{ base: text, 'sink-port': text, set: texts, profile: text, out: text, write: text, soak: text },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'the options are not understood');
  }
}

function bounded(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!(value >= least && value <= most)) throw new UsageError(`${name} must be ${least} to ${most}`);
  return value;
}

function checkout(directory: string): string {
  const root = resolve(directory);
  const needed = ['tsconfig.json', 'bin/sealgate.js', 'node_modules/typescript'];
  const missing = needed.find((path) => !existsSync(join(root, path)));
  if (missing === undefined) return root;
  throw new UsageError(`--base must be a checkout in which npm ci was run; ${directory} has no ${missing}`);
}

function setting(text: string): readonly [string, string] {
  const [, name = '', value = ''] = /^(SEALGATE_[A-Z_]+)=(.*)$/.exec(text) ?? [];
  if (name === '') throw new UsageError('--set must be SEALGATE_NAME=VALUE');
  return [name, value];
}

function namedEndpoint(text: string, environment: Environment): NamedEndpoint {
  const [, name = '', rest = ''] = /^([a-z0-9-]+)=(.+)$/.exec(text) ?? [];
  const [url = '', ...pairs] = rest.split(',');
  if (name === '' || !URL.canParse(url)) throw new UsageError(`"${text}" is not NAME=URL`);
  const parts = new Map(pairs.map((pair) => pair.split(/=(.*)/s, 2) as [string, string]));
  const pid = parts.get('pid');
  return {
    name,
    url: new URL(url).origin,
    credentials: credentialsOf(name, parts.get('credentials'), environment),
    region: parts.get('region') ?? 'us-east-1',
    pids: pid === undefined ? [] : [bounded('pid', pid, 1, 2 ** 31)],
  };
}

function credentialsOf(name: string, file: string | undefined, environment: Environment): SigningCredentials {
  const prefix = `BENCH_${name.toUpperCase().replaceAll('-', '_')}`;
  const found =
    file === undefined
      ? {
          accessKeyId: environment[`${prefix}_ACCESS_KEY_ID`],
          secretAccessKey: environment[`${prefix}_SECRET_ACCESS_KEY`],
        }
      : (JSON.parse(readFileSync(file, 'utf8')) as Partial<SigningCredentials>);
  const { accessKeyId, secretAccessKey } = found;
  if (!accessKeyId || !secretAccessKey)
    throw new UsageError(
      `${name}: no credentials; give a file or set ${prefix}_ACCESS_KEY_ID and ${prefix}_SECRET_ACCESS_KEY`,
    );
  return { accessKeyId, secretAccessKey };
}
