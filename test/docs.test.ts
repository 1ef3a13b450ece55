// Protects: the public documentation against drifting from the code. Every setting, error, bound, operation, header that is
// passed in clear, metric and security event is documented, nothing that does not exist is, links resolve, and the commands that
// are shown are ones that the program takes.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { type ActionRow, rowOf, SOURCE_ROW, TAGS_ROW } from '../proxy/access/action-table.ts';
import { HEADER_TABLE } from '../proxy/access/header-actions.ts';
import * as addressLimits from '../proxy/address-limits.ts';
import * as approvalLimits from '../proxy/approval-limits.ts';
import * as auditLimits from '../proxy/audit-limits.ts';
import { findOperation } from '../proxy/backend/local/dispatch.ts';
import { storeTroubleKinds } from '../proxy/backend/trouble/store-trouble.ts';
import { findCommand } from '../proxy/cli/commands.ts';
import { parseConfig } from '../proxy/config/config.ts';
import { type Settings, variables } from '../proxy/config/settings.ts';
import { errorTable, S3Error } from '../proxy/errors.ts';
import type { S3Request } from '../proxy/http/request.ts';
import { QUERY_ACTIONS } from '../proxy/iam/actions/table.ts';
import { queryErrorTable } from '../proxy/iam/errors.ts';
import * as jobLimits from '../proxy/job-limits.ts';
import { SealKeys } from '../proxy/keyring/access-keys/seal-keys.ts';
import * as kmsLimits from '../proxy/kms-limits.ts';
import * as limits from '../proxy/limits.ts';
import { CONTENT_HEADERS } from '../proxy/object/client-attributes.ts';
import { SECURITY_EVENT_KINDS } from '../proxy/observe/events.ts';
import { createMetrics } from '../proxy/observe/metrics.ts';
import type { Operation } from '../proxy/operation.ts';
import { bucketHeaders, storageHeaders } from '../proxy/operations/request/client-headers.ts';
import { OPERATIONS } from '../proxy/operations/table.ts';
import * as policyLimits from '../proxy/policy-limits.ts';
import * as runningLimits from '../proxy/running-limits.ts';
import * as sessionLimits from '../proxy/session-limits.ts';
import * as storeLimits from '../proxy/store-limits.ts';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const PAGES = [
  'README.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(ROOT, 'docs'), { encoding: 'utf8' }).flatMap((f) => (f.endsWith('.md') ? `docs/${f}` : [])),
];

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const pages = () => PAGES.map((path) => ({ path, text: read(path) }));

/** Cells of every table row of `text` whose first cell is in backticks; the backticks are taken off. */
function rows(text: string): readonly (readonly [name: string, ...rest: string[]])[] {
  return [...text.matchAll(/^\| `([^`]+)` \|(.*)\|$/gm)].map(([, name = '', rest = '']) => [
    name,
    ...rest.split(' |').map((cell) => cell.trim()),
  ]);
}

/** The part of a page under one heading, up to the next heading of the same or a higher level. */
function section(path: string, heading: string): string {
  const lines = read(path).split('\n');
  const start = lines.indexOf(heading);
  expect(start, `${path} has the heading "${heading}"`).toBeGreaterThanOrEqual(0);
  const level = heading.indexOf(' ');
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => new RegExp(`^#{1,${level}} `).test(line));
  return rest.slice(0, end < 0 ? undefined : end).join('\n');
}

function codeBlocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, code = '']) => code);
}

describe('settings', () => {
  const tables = { 'README.md': '## Configuration', 'docs/configuration.md': '## Variables' };

  test.each(Object.entries(tables))('%s lists every variable once, and no other', (path, heading) => {
    expect(variables().length).toBeGreaterThan(10);
    const names = rows(section(path, heading)).map(([name]) => name);
    expect(names.toSorted()).toEqual([...variables()].sort());
  });

  test('the defaults in both tables are those of the program', () => {
    const secret = { SEALGATE_BACKEND: 'local:x', SEALGATE_STATE: 'abc', SEALGATE_SEAL_KEYS: SealKeys.generate() };
    const config = parseConfig(secret);
    const actual: Record<string, string> = {
      SEALGATE_LISTEN: `${config.listen.host}:${config.listen.port}`,
      SEALGATE_OPS_LISTEN: `${config.opsListen.host}:${config.opsListen.port}`,
      SEALGATE_BACKEND_REGION: config.region,
      SEALGATE_WORKERS: config.workersAreSet ? String(config.workers) : 'auto',
      SEALGATE_KMS: config.kms.providers.length === 0 ? 'none' : 'some',
      SEALGATE_KMS_CACHE: `${config.kms.cacheMs / 1000}s`,
      SEALGATE_KMS_GRACE: `${config.kms.graceMs / 1000}s`,
      SEALGATE_OIDC_ISSUERS: config.oidcIssuers.length === 0 ? 'none' : 'some',
      SEALGATE_SELF_SERVICE: config.selfService ? 'on' : 'off',
      SEALGATE_LAST_USED: config.lastUsed,
      SEALGATE_AUDIT: config.audit.mode,
      SEALGATE_AUDIT_RETENTION: `${config.audit.retentionDays}d`,
      SEALGATE_LEGACY: config.legacy.kind,
      SEALGATE_ETAGS: config.etags,
      SEALGATE_CONDITIONS: config.bestEffortConditions ? 'best-effort' : 'strict',
      SEALGATE_PUBLIC_ACLS: config.publicAcls,
      SEALGATE_PROXY_PROTOCOL: config.proxyProtocol ? 'required' : 'off',
      SEALGATE_TRUSTED_PROXIES: config.trustedProxies.length === 0 ? 'none' : 'some',
      SEALGATE_RATE_ADDRESS: config.rates.address === undefined ? 'off' : 'on',
      SEALGATE_RATE_TENANT: config.rates.tenant === undefined ? 'off' : 'on',
      SEALGATE_RATE_KEY: config.rates.key === undefined ? 'off' : 'on',
      SEALGATE_LOG_FORMAT: config.logFormat,
      SEALGATE_TRACES: config.traces,
      SEALGATE_DRAIN_DELAY: `${config.drainDelayMs / 1000}s`,
      SEALGATE_DRAIN_TIMEOUT: `${config.drainTimeoutMs / 1000}s`,
      SEALGATE_LOG_LEVEL: config.logLevel,
    };
    for (const [path, heading] of Object.entries(tables)) {
      const shown = new Map(rows(section(path, heading)).map(([name, value]) => [name, value]));
      for (const [name, value] of Object.entries(actual))
        expect([path, name, shown.get(name)]).toEqual([path, name, `\`${value}\``]);
    }
  });

  test('no page names a variable that does not exist', () => {
    let seen = 0;
    const invented = pages().flatMap(({ path, text }) =>
      [...text.matchAll(/\bSEALGATE_[A-Z_]+\b/g)].flatMap(([name]) => {
        seen += 1;
        // What Kubernetes itself makes up is the one exception, and said to be ignored.
        const isMadeUp = name === 'SEALGATE_PORT' || name === 'SEALGATE_SERVICE_HOST';
        return variables().includes(name) || name === 'SEALGATE_' || isMadeUp ? [] : [`${path}: ${name}`];
      }),
    );
    expect(seen).toBeGreaterThan(50);
    expect(invented).toEqual([]);
  });

  test('the YAML file that is shown is one that the program takes', () => {
    const [shown] = codeBlocks(read('docs/configuration.md'), 'yaml');
    const settings = texts(parseYaml(shown ?? ''));
    expect(Object.keys(settings).length).toBeGreaterThan(5);
    const { SEALGATE_SEAL_KEYS_FILE: _file, ...others } = settings;
    const config = parseConfig({ ...others, ...CREDENTIALS, SEALGATE_SEAL_KEYS: SealKeys.generate() });
    expect(config.backend.kind).toBe('s3');
  });
});

const CREDENTIALS = { SEALGATE_BACKEND_ACCESS_KEY_ID: 'id', SEALGATE_BACKEND_SECRET_ACCESS_KEY: 'not a sample value' };

function texts(values: Readonly<Record<string, unknown>>): Settings {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}

test('docs/errors.md has every error with its status, and no other', () => {
  const table = errorTable();
  expect(table.length).toBeGreaterThan(50);
  const documented = rows(read('docs/errors.md')).map(([code, status, meaning]) => {
    expect(meaning, `${code} has a meaning`).not.toBe('');
    return `${code} ${status}`;
  });
  expect(documented.toSorted()).toEqual(table.map(([code, status]) => `${code} ${status}`).sort());
});

test('docs/iam.md has every action with its service and parameters, every error with its status, and no other', () => {
  const list = (text = '') => [...text.matchAll(/`(\w+)`/g)].map(([, name]) => name);
  const actions = rows(section('docs/iam.md', '## Actions')).map(([name, service, parameters]) => [
    name,
    service,
    list(parameters),
  ]);
  expect(actions).toEqual(QUERY_ACTIONS.map(({ name, service, parameters }) => [name, service, [...parameters]]));
  const errors = rows(section('docs/iam.md', '## Errors')).map(([code, status]) => [code, Number(status)]);
  expect(errors.length).toBeGreaterThan(10);
  expect(errors).toEqual(queryErrorTable().map(([code, status]) => [code, status]));
});

test('docs/limits.md has every bound with its value, and no other', () => {
  const bounds = Object.entries({
    ...addressLimits,
    ...approvalLimits,
    ...limits,
    ...kmsLimits,
    ...jobLimits,
    ...auditLimits,
    ...policyLimits,
    ...runningLimits,
    ...sessionLimits,
    ...storeLimits,
  }).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  expect(bounds.length).toBeGreaterThan(40);
  const documented = rows(read('docs/limits.md')).map(([name, value = '']) => [name, quantity(name, value)] as const);
  expect(documented.toSorted(byName)).toEqual(bounds.toSorted(byName));
});

const byName = (a: readonly [string, unknown], b: readonly [string, unknown]) => (a[0] < b[0] ? -1 : 1);

/** `5 GiB`, `10,000`, `30 s` in the unit that the constant's name says: bytes, milliseconds, seconds or none. */
function quantity(name: string, text: string): number {
  const [, digits = '', unit = ''] = /^([\d,]+)(?: (GiB|MiB|KiB|s))?$/.exec(text) ?? [];
  const factors: Record<string, number> = {
    '': 1,
    KiB: 2 ** 10,
    MiB: 2 ** 20,
    GiB: 2 ** 30,
    s: name.endsWith('_MS') ? 1000 : 1,
  };
  return digits === '' ? Number.NaN : Number(digits.replaceAll(',', '')) * (factors[unit] ?? Number.NaN);
}

describe('operations', () => {
  const table = () => rows(section('README.md', '## Operations')).filter(([name]) => /^[A-Z]\w+$/.test(name));

  test('README.md has one row for every operation, and in the first table no other', () => {
    const names = OPERATIONS.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(10);
    const implemented = table().filter((row) => row.length === 5);
    expect(implemented.map(([name]) => name).toSorted()).toEqual(names.toSorted());
  });

  test('the column for the embedded store says what it serves', () => {
    const shown = table()
      .filter((row) => row.length === 5)
      .map(([name, , , , embedded]) => `${name}: ${embedded}`);
    const actual = OPERATIONS.map((operation) => `${operation.name}: ${isEmbedded(operation) ? 'yes' : 'no'}`);
    expect(shown.toSorted()).toEqual(actual.toSorted());
  });

  test('the permissions are those of the table of actions', () => {
    const shown = table().flatMap(([name, permission, ...rest]) => (rest.length === 3 ? [[name, permission]] : []));
    expect(shown).toEqual(OPERATIONS.map((operation) => [operation.name, permissionText(operation)]));
    const lines = section('README.md', '## Operations').split('\n');
    expect(lines.filter((line) => line.startsWith('| `x-amz-') && line.includes('s3:'))).toEqual(
      HEADER_TABLE.map(headerLine),
    );
  });

  test('what is said to be NotImplemented is not in the table of operations', () => {
    const refused = table()
      .filter((row) => row.length === 2)
      .map(([name]) => name);
    expect(refused).toContain('SelectObjectContent');
    expect(refused.filter((name) => OPERATIONS.some((operation) => operation.name === name))).toEqual([]);
  });
});

const code = (names: readonly string[], word = ' and ') => names.map((name) => `\`${name}\``).join(word);

function permissionText({ name, selector }: Operation): string {
  const row = rowOf(name);
  return [
    (row.each === true ? 'of each object ' : '') + actionsText(row),
    ...(selector.copySource === true
      ? [`of the source ${actionsText(SOURCE_ROW).replace('; of a version', ', or')}`]
      : []),
    ...(row.copiesTags === true ? [tagsText()] : []),
    ...(row.inDocument === undefined ? [] : [`of ${row.inDocument.of} ${code(row.inDocument.actions)}`]),
  ].join('; ');
}

function tagsText(): string {
  const ofSource = actionsText(TAGS_ROW.source).replace('; of a version', ', or');
  return `of a source with tags that are copied ${ofSource}, and of the copy ${actionsText(TAGS_ROW.copy)}`;
}

function actionsText({ actions, ofVersion }: Pick<ActionRow, 'actions' | 'ofVersion'>): string {
  return code(actions) + (ofVersion === undefined ? '' : `; of a version ${code(ofVersion)}`);
}

function headerLine({ headers, onObject, onVersion, onBucket }: (typeof HEADER_TABLE)[number]): string {
  const ofVersion = onVersion === undefined ? '' : `; of a version ${code(onVersion)}`;
  const besides = [
    ...(onObject === undefined ? [] : [`objects: ${code(onObject)}${ofVersion}`]),
    ...(onBucket === undefined ? [] : [`buckets: ${code(onBucket)}`]),
  ];
  return `| ${code(headers, ', ')} | ${besides.join('; ')} |`;
}

/** Operations for which the proxy asks the backend for another one. */
const CARRIED_OUT_BY: Readonly<Record<string, string>> = { GetObjectAttributes: 'HeadObject', PostObject: 'PutObject' };

/** Whether the embedded store knows the request that selects the operation. */
function isEmbedded({ name, selector }: Operation): boolean {
  const other = OPERATIONS.find((operation) => operation.name === CARRIED_OUT_BY[name]);
  if (other !== undefined) return isEmbedded(other);
  const { method, level, subresources = [], copySource } = selector;
  const key = level === 'object' ? 'k' : '';
  try {
    findOperation({
      method,
      bucket: level === 'service' ? '' : 'bucket',
      key,
      keyBytes: Buffer.from(key),
      query: new Map(subresources.map((name) => [name, ''])),
      headers: copySource === true ? { 'x-amz-copy-source': '/bucket/k' } : {},
      body: undefined,
      isEssential: false,
      signal: new AbortController().signal,
    });
    return true;
  } catch (error) {
    if (error instanceof S3Error && (error.code === 'NotImplemented' || error.code === 'MethodNotAllowed'))
      return false;
    throw error;
  }
}

describe('SECURITY.md', () => {
  test('lists the headers that are passed in clear, and no other', () => {
    const request = { headers: [], headerNames: () => [], header: () => 'x' } as unknown as S3Request;
    const passed = [...new Set([...Object.keys(storageHeaders(request)), ...Object.keys(bucketHeaders(request))])];
    expect(passed.length).toBeGreaterThan(10);
    const listed = rows(section('SECURITY.md', '## What is visible').replaceAll('` |\n', '` | |\n')).map(
      ([name]) => name,
    );
    expect(listed.toSorted()).toEqual(passed.toSorted());
  });

  test('lists the headers that are sealed, and no other', () => {
    const listed = rows(section('SECURITY.md', '## What is sealed')).map(([name]) => name);
    expect(listed.toSorted()).toEqual([...CONTENT_HEADERS].sort());
  });
});

const NO_AUDIT = {
  ...{ events: 0, refused: 0, unwrittenMs: 0, segments: 0, failures: 0, unwrittenBytes: 0 },
  ...{ batches: 0, invalidBatches: 0, invalidSegments: 0, unbatchedMs: 0, size: 0 },
};

describe('docs/operations.md', () => {
  test('lists every kind of trouble with the store', () => {
    const cells = [...section('docs/operations.md', '## The store').matchAll(/^\| ((?:`[\w-]+`(?:, )?)+) \|/gm)];
    const listed = cells.flatMap(([, cell = '']) => cell.split(', ').map((name) => name.replaceAll('`', '')));
    expect(listed.filter((name) => name !== 'kind').toSorted()).toEqual([...storeTroubleKinds()].sort());
  });

  test('lists every metric of the program', async () => {
    const metrics = createMetrics();
    metrics.showAudit(() => NO_AUDIT);
    metrics.showSealKey(() => ({ missing: undefined, refused: 0, unreadMs: 0 }));
    const exposition = await metrics.render();
    const names = [...exposition.matchAll(/^# TYPE (sealgate_\w+)/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(2);
    expect(
      rows(section('docs/operations.md', '## Metrics'))
        .map(([name]) => name)
        .toSorted(),
    ).toEqual(names.toSorted());
  });

  test('lists every kind of security event', () => {
    const listed = rows(section('docs/operations.md', '### Security events')).map(([kind]) => kind);
    expect(listed.toSorted()).toEqual(SECURITY_EVENT_KINDS.toSorted());
  });
});

describe('commands', () => {
  test('every npm script that is named exists', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = pages().flatMap(({ text }) => [
      ...[...text.matchAll(/\bnpm run ([\w:]+)/g)].map(([, name = '']) => name),
      ...[...text.matchAll(/\bnpm (start|test)\b/g)].map(([, name = '']) => name),
    ]);
    expect(named.length).toBeGreaterThan(8);
    expect([...new Set(named)].filter((name) => !(name in scripts))).toEqual([]);
  });

  test('README.md has the two commands to begin with', () => {
    const commands = codeBlocks(read('README.md'), 'sh').map((block) => block.trim());
    expect(commands).toContain('npm ci && npm start');
    expect(commands).toContain('npm ci && npm test');
  });

  test('every test file or folder that is named exists', () => {
    const named = pages().flatMap(({ text }) => [...text.matchAll(/\btest\/[\w./-]*[\w/]/g)].map(([path]) => path));
    expect(named.length).toBeGreaterThan(5);
    expect([...new Set(named)].filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  test('every command of the program that is shown is one that it has', () => {
    const shown = pages().flatMap(({ text }) =>
      [...text.matchAll(/\b(?:npx sealgate|bin\/sealgate\.js) ([a-z]+)(?: ([a-z]+))?/g)].map(
        ([, command = '', sub = '']) => (command === 'tenant' || command === 'key' ? `${command} ${sub}` : command),
      ),
    );
    expect(shown.length).toBeGreaterThan(5);
    const known = (words: readonly string[]) =>
      ['help', 'version'].includes(words[0] ?? '') || findCommand(words)?.usage.includes(`sealgate ${words.join(' ')}`);
    expect([...new Set(shown)].filter((command) => known(command.trim().split(' ')) !== true)).toEqual([]);
  });
});

describe('links', () => {
  const links = () =>
    pages().flatMap(({ path, text }) =>
      [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) =>
        /^https?:/.test(target) ? [] : [{ path, target }],
      ),
    );

  test('every relative link names a file, and every anchor a heading of it', () => {
    expect(links().length).toBeGreaterThan(40);
    const broken = links().filter(({ path, target }) => {
      const [file = '', anchor] = target.split('#');
      const found = file === '' ? path : relative(ROOT, resolve(ROOT, dirname(path), file));
      if (!existsSync(join(ROOT, found))) return true;
      return anchor !== undefined && !anchors(read(found)).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  test('README.md links every page', () => {
    const linked = links()
      .filter(({ path }) => path === 'README.md')
      .map(({ target }) => target.split('#')[0]);
    expect(PAGES.filter((path) => path !== 'README.md' && !linked.includes(path))).toEqual([]);
  });
});

/** As GitHub makes them: lower case, punctuation dropped, spaces to hyphens. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
