/**
 * Configuration: what is missing or malformed stops the program with the variable's name, and never with the value of a
 * secret; samples that stand all over the web are refused (seen elsewhere: a missing master key silently meant plaintext; sample
 * secrets in production).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseConfig, readConfig } from '../../../proxy/config/config.ts';
import { ConfigError, readSettings, type Settings, variables } from '../../../proxy/config/settings.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { defaultWorkers } from '../../../proxy/memory/memory-setting.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealgate-config-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const file = (name: string, content: string): string => {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
};

const SEAL_KEYS = SealKeys.generate();
const SECRET = 'a-real-backend-secret';
const GOOD: Settings = {
  SEALGATE_BACKEND: 'https://store.example.test:9000',
  SEALGATE_BACKEND_ACCESS_KEY_ID: 'proxy',
  SEALGATE_BACKEND_SECRET_ACCESS_KEY: SECRET,
  SEALGATE_STATE: 'state-bucket/some/prefix/',
  SEALGATE_SEAL_KEYS: SEAL_KEYS,
};

/** The message of the refusal. */
function refusal(settings: Settings): string {
  try {
    parseConfig(settings);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error(`was accepted: ${JSON.stringify(settings)}`);
}

test('a whole configuration, with every default', () => {
  const config = parseConfig(GOOD);
  expect(config).toMatchObject({
    listen: { host: '127.0.0.1', port: 8080 },
    opsListen: { host: '127.0.0.1', port: 8081 },
    backend: {
      kind: 's3',
      credentials: { kind: 'keys', accessKeyId: { text: 'proxy' }, secretAccessKey: { text: SECRET } },
      pathStyle: true,
    },
    region: 'us-east-1',
    regionIsSet: false,
    state: { bucket: 'state-bucket', prefix: 'some/prefix/' },
    workers: defaultWorkers(undefined),
    workersAreSet: false,
    legacy: { kind: 'allow' },
    bestEffortConditions: false,
    publicAcls: 'warn',
    hostnames: [],
    tls: undefined,
    logLevel: 'info',
  });
});

describe('workers', () => {
  const GiB = 2 ** 30;
  test.each([
    [{ parallelism: 1, available: 64 * GiB }, undefined, 1],
    [{ parallelism: 2, available: 64 * GiB }, undefined, 2],
    [{ parallelism: 32, available: 64 * GiB }, undefined, 4],
    [{ parallelism: 32, available: GiB }, undefined, 4],
    [{ parallelism: 32, available: GiB - 1 }, undefined, 3],
    [{ parallelism: 32, available: GiB / 8 }, undefined, 1],
    [{ parallelism: 32, available: 64 * GiB }, '64MiB', 2],
    [{ parallelism: 32, available: 64 * GiB }, 'malformed', 4],
  ] as const)('%j with SEALGATE_MEMORY=%s: %d', (machine, memory, expected) => {
    expect(defaultWorkers(memory, machine)).toBe(expected);
  });

  test('auto is the default, and a number is taken as it is', () => {
    const of = (SEALGATE_WORKERS?: string) => parseConfig({ ...GOOD, SEALGATE_WORKERS });
    expect(of('auto')).toMatchObject({ workers: of().workers, workersAreSet: false });
    expect(of('7')).toMatchObject({ workers: 7, workersAreSet: true });
  });
});

test('every problem is found, each once and by its name', () => {
  const { config, problems } = readConfig({
    ...GOOD,
    SEALGATE_LISTEN: 'x',
    SEALGATE_WORKERS: '0',
    SEALGATE_STATE: 'A',
  });
  expect(config).toBeUndefined();
  expect(problems.map(({ variable }) => variable)).toEqual(['SEALGATE_LISTEN', 'SEALGATE_STATE', 'SEALGATE_WORKERS']);
});

describe('names that are no settings', () => {
  const environment = { ...GOOD } as NodeJS.ProcessEnv;
  // What the kubelet puts into a pod beside Services named sealgate and sealgate-ops.
  const LINKS = {
    SEALGATE_SERVICE_HOST: '10.96.0.17',
    SEALGATE_SERVICE_PORT: '8080',
    SEALGATE_SERVICE_PORT_S3: '8080',
    SEALGATE_PORT: 'tcp://10.96.0.17:8080',
    SEALGATE_PORT_8080_TCP: 'tcp://10.96.0.17:8080',
    SEALGATE_PORT_8080_TCP_PROTO: 'tcp',
    SEALGATE_PORT_8080_TCP_PORT: '8080',
    SEALGATE_PORT_8080_TCP_ADDR: '10.96.0.17',
    SEALGATE_OPS_SERVICE_HOST: 'fd00::17',
    SEALGATE_OPS_PORT: 'tcp://[fd00::17]:8081',
  };

  test('those of Kubernetes service links are ignored', () => {
    expect(readSettings({ ...environment, ...LINKS })).toEqual(readSettings(environment));
  });

  test.each([
    ['SEALGATE_PORT', '8080'],
    ['SEALGATE_SERVICE_HOST', 'store.example.test'],
    ['SEALGATE_SERVICE_PORT', 'tcp'],
    ['SEALGATE_PORT_8080', '1'],
  ])('%s=%s is a mistake, and refused', (name, value) => {
    expect(() => readSettings({ ...environment, [name]: value })).toThrow(new RegExp(`^${name}: is not a setting`));
  });

  test('the nearest setting is named', () => {
    expect(() => readSettings({ ...environment, SEALGATE_BACKEND_REGOIN: 'x' })).toThrow(
      "Did you mean 'SEALGATE_BACKEND_REGION'?",
    );
  });
});

describe('required', () => {
  const required = Object.keys(GOOD);
  test.each(required)('%s: stops with its name', (name) => {
    for (const value of [undefined, '']) {
      const settings = { ...GOOD, [name]: value };
      if (name === 'SEALGATE_SEAL_KEYS' && value === '') continue;
      expect(refusal(settings)).toMatch(new RegExp(`^${name}\\b`));
    }
  });

  test('an embedded store needs no credentials', () => {
    const { SEALGATE_STATE, SEALGATE_SEAL_KEYS } = GOOD;
    const config = parseConfig({ SEALGATE_STATE, SEALGATE_SEAL_KEYS, SEALGATE_BACKEND: 'local:./data' });
    expect(config.backend).toEqual({ kind: 'local', directory: './data' });
  });
});

const MALFORMED: Readonly<Record<string, readonly string[]>> = {
  SEALGATE_LISTEN: ['8080', 'host', 'host:', ':8080', 'host:99999', 'host:80a', '::1:80', 'a b:80:90'],
  SEALGATE_OPS_LISTEN: ['x', 'host:65536'],
  SEALGATE_BACKEND: [
    'store',
    'local:',
    'ftp://host',
    'https://',
    'http://host/path',
    'http://host?x',
    'http://user:pw@host',
    'http://host#x',
  ],
  SEALGATE_BACKEND_PATH_STYLE: ['yes', '1', 'TRUE', ''].slice(0, 3),
  SEALGATE_STATE: ['UPPER', 'a', '/prefix', '-bucket', 'with space', 'a_b'],
  SEALGATE_SEAL_KEYS: ['x', 'one:short', 'one:', ':abc', `${SEAL_KEYS},${SEAL_KEYS}`, `one:${'A'.repeat(43)}=,two`],
  SEALGATE_BACKEND_ACCESS_KEY_ID_FILE: [join(directory, 'missing'), file('empty-id', '\n')],
  SEALGATE_BACKEND_SECRET_ACCESS_KEY_FILE: [join(directory, 'missing'), file('sample', 'minioadmin\n')],
  SEALGATE_BACKEND_SESSION_TOKEN_FILE: [join(directory, 'missing')],
  SEALGATE_BACKEND_CREDENTIALS: ['AWS', 'iam'],
  SEALGATE_BACKEND_PROXY: ['proxy:3128', 'socks5://proxy', 'http://proxy/path', 'http://'],
  SEALGATE_BACKEND_CA: [join(directory, 'missing'), file('no-ca', 'x')],
  SEALGATE_BACKEND_CLIENT_CERT: [join(directory, 'missing'), file('no-cert', 'x')],
  SEALGATE_BACKEND_CLIENT_KEY: [join(directory, 'missing')],
  SEALGATE_SEAL_KEYS_FILE: [join(directory, 'missing')],
  SEALGATE_SELF_SERVICE: ['x', 'ON', 'true'],
  SEALGATE_OIDC_ISSUERS: [
    'x',
    '{}',
    '[{}]',
    '[{"issuer":"http://i.example","jwks":"file:/x","audiences":["a"]}]',
    '[{"issuer":"https://i.example","jwks":"file:/x","audiences":[]}]',
    '[{"issuer":"https://i.example","jwks":"http://i.example/keys","audiences":["a"]}]',
    '[{"issuer":"https://i.example","jwks":"file:/x","audiences":["a"],"algorithms":["HS256"]}]',
  ],
  SEALGATE_LAST_USED: ['on', 'DAY', 'hour', 'true'],
  SEALGATE_AUDIT: ['yes', 'On', 'STRICT'],
  SEALGATE_AUDIT_BUCKET: ['A', 'x', 'under_score', '/prefix', '-ab'],
  SEALGATE_APPROVALS: ['tenant', 'tenant-delete;key-revoke', 'assume-role', 'TENANT-DELETE'],
  SEALGATE_AUDIT_RETENTION: ['0d', '90', '1y', '-1d', '36501d'],
  SEALGATE_AUDIT_WEBHOOK: ['hook', 'http://hook.example/', 'ftp://hook.example/'],
  SEALGATE_AUDIT_WEBHOOK_SECRET: ['secret', 'whsec_', `whsec_${'A'.repeat(28)}`, `whsec_${'A'.repeat(92)}`],
  SEALGATE_AUDIT_WEBHOOK_SECRET_FILE: [join(directory, 'missing'), file('short', 'whsec_AAAA')],
  SEALGATE_ESCROW_PUBLIC_KEY: ['x', 'A'.repeat(43), `${'A'.repeat(43)}=`, 'ab'.repeat(32)],
  SEALGATE_WORKERS: ['0', '-1', '1.5', 'many', '257', '1e2', 'Auto'],
  SEALGATE_MEMORY: ['512', '512MB', '-1GiB', '0GiB', '31MiB', '1.5GiB'],
  SEALGATE_LEGACY: ['yes', 'before', 'before:', 'before:never', 'Deny'],
  SEALGATE_ETAGS: ['MD5', 'sha256'],
  SEALGATE_CONDITIONS: ['loose', 'STRICT'],
  SEALGATE_PUBLIC_ACLS: ['yes', 'Refuse'],
  SEALGATE_RATE_ADDRESS: [
    '0',
    '-1',
    '1e3',
    '100001',
    '100:0',
    '100:',
    '100:1000001',
    '100/200',
    'on',
    '0.0001',
    '5r/s',
  ],
  SEALGATE_RATE_TENANT: ['0:1'],
  SEALGATE_RATE_KEY: ['.5'],
  SEALGATE_PROXY_PROTOCOL: ['on', 'v2', 'true'],
  SEALGATE_TRUSTED_PROXIES: ['10.0.0.0/33', 'balancer', '10.0.0.0/8 10.1.0.0/16', '10.0.0.0-10.0.0.9'],
  SEALGATE_HOSTNAMES: ['http://host', 'host:80', 'a b', '*.host', '.host', 'host/'],
  SEALGATE_TLS_CERT: [join(directory, 'missing')],
  SEALGATE_TLS_KEY: [join(directory, 'missing')],
  SEALGATE_TRACES: ['on', 'OTLP'],
  SEALGATE_KMS: ['{', '[]', '{"gcp:a": {}}'],
  SEALGATE_KMS_CACHE: ['0', '2h', 'long'],
  SEALGATE_KMS_GRACE: ['25h', '-1'],
  SEALGATE_LOG_FORMAT: ['text', 'S3'],
  SEALGATE_DRAIN_DELAY: ['soon', '-1', '1.5s', '61m', '5h', '5 s'],
  SEALGATE_DRAIN_TIMEOUT: ['x', '3601'],
  SEALGATE_LOG_LEVEL: ['verbose', 'INFO'],
};

describe('malformed', () => {
  const cases = Object.entries(MALFORMED).flatMap(([name, values]) => values.map((value) => [name, value] as const));

  test.each(cases)('%s=%s stops with its name', (name, value) => {
    // A setting and the file in its place exclude each other.
    const base = Object.fromEntries(Object.entries(GOOD).filter(([other]) => `${other}_FILE` !== name));
    const pair = name.startsWith('SEALGATE_TLS')
      ? { SEALGATE_TLS_CERT: file('cert', 'x'), SEALGATE_TLS_KEY: file('key', 'x') }
      : {};
    const clientPair = name.startsWith('SEALGATE_BACKEND_CLIENT')
      ? { SEALGATE_BACKEND_CLIENT_CERT: file('client-cert', 'x'), SEALGATE_BACKEND_CLIENT_KEY: file('client-key', 'x') }
      : {};
    expect(refusal({ ...base, ...pair, ...clientPair, [name]: value })).toMatch(new RegExp(`^${name}\\b`));
  });

  test('every variable but those whose any text is legal has a case', () => {
    const free = [
      'SEALGATE_CONFIG',
      'SEALGATE_BACKEND_ACCESS_KEY_ID',
      'SEALGATE_BACKEND_SECRET_ACCESS_KEY',
      'SEALGATE_BACKEND_SESSION_TOKEN',
      'SEALGATE_BACKEND_REGION',
    ];
    expect(variables().filter((name) => !free.includes(name) && MALFORMED[name] === undefined)).toEqual([]);
  });

  test('two things that exclude each other, and halves of a pair', () => {
    expect(refusal({ ...GOOD, SEALGATE_SEAL_KEYS_FILE: 'x' })).toMatch(
      /^SEALGATE_SEAL_KEYS\b.*SEALGATE_SEAL_KEYS_FILE/,
    );
    expect(refusal({ ...GOOD, SEALGATE_TLS_CERT: 'x' })).toMatch(/^SEALGATE_TLS_KEY\b/);
    expect(refusal({ ...GOOD, SEALGATE_TLS_KEY: 'x' })).toMatch(/^SEALGATE_TLS_CERT\b/);
  });

  test('an unknown variable is a typing error', () => {
    for (const name of ['SEALGATE_BACKENDS', 'SEALGATE_', 'SEALGATE_SEALKEYS']) {
      expect(() => readSettings({ [name]: 'x' })).toThrow(new RegExp(`^${name}`));
    }
    expect(readSettings({ PATH: 'x', HOME: 'y' })).toEqual({});
  });
});

describe('secrets', () => {
  test('no refusal shows one', () => {
    const secrets = ['hunter2-hunter2-hunter2', SEAL_KEYS.split(':')[1] ?? '', 'bWlzdGFrZW4gc2VhbCBrZXk='];
    const [one = '', two = '', three = ''] = secrets;
    const { SEALGATE_SEAL_KEYS: _keys, ...others } = GOOD;
    const messages = [
      refusal({ ...GOOD, SEALGATE_BACKEND_SECRET_ACCESS_KEY: one, SEALGATE_STATE: '' }),
      refusal({ ...GOOD, SEALGATE_BACKEND: `https://user:${one}@store.example.test` }),
      refusal({ ...GOOD, SEALGATE_SEAL_KEYS: `k1:${two}extra` }),
      refusal({ ...GOOD, SEALGATE_SEAL_KEYS: `k1:${three}` }),
      refusal({ ...GOOD, SEALGATE_SEAL_KEYS: three }),
      refusal({ ...others, SEALGATE_SEAL_KEYS_FILE: file('keys', `k1:${three}\n`) }),
      refusal({ ...GOOD, SEALGATE_SEAL_KEYS: `k1:${two},k1:${two}` }),
    ];
    for (const message of messages) for (const secret of secrets) expect(message).not.toContain(secret);
    expect(messages).toHaveLength(7);
  });

  test.each(['minioadmin', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', 'changeme', 'password'])(
    'the sample %s is refused',
    (sample) => {
      const message = refusal({ ...GOOD, SEALGATE_BACKEND_SECRET_ACCESS_KEY: sample });
      expect(message).toMatch(/^SEALGATE_BACKEND_SECRET_ACCESS_KEY: is a well-known sample/);
      expect(message).not.toContain(sample);
    },
  );

  test.each([
    ['zeros', Buffer.alloc(32)],
    ['one byte over and over', Buffer.alloc(32, 0x41)],
  ])('seal keys of %s are no keys', (_, bytes) => {
    expect(refusal({ ...GOOD, SEALGATE_SEAL_KEYS: `k1:${bytes.toString('base64')}` })).toMatch(/^SEALGATE_SEAL_KEYS\b/);
  });
});

describe('the file', () => {
  test('gives values, and the environment beats it', () => {
    const path = file(
      'good.yaml',
      'SEALGATE_WORKERS: 3\nSEALGATE_BACKEND_PATH_STYLE: false\nSEALGATE_STATE: from-file\n',
    );
    const settings = readSettings({ SEALGATE_CONFIG: path, SEALGATE_STATE: 'from-environment' });
    expect(settings).toMatchObject({
      SEALGATE_WORKERS: '3',
      SEALGATE_BACKEND_PATH_STYLE: 'false',
      SEALGATE_STATE: 'from-environment',
    });
  });

  test('that is missing, no YAML, nested or has unknown names stops the program', () => {
    const cases = [
      [join(directory, 'nowhere.yaml'), /^SEALGATE_CONFIG:.*nowhere/],
      [file('broken.yaml', 'a: [unclosed'), /^SEALGATE_CONFIG:/],
      [file('nested.yaml', 'SEALGATE_STATE:\n  bucket: x\n'), /^SEALGATE_CONFIG:/],
      [file('list.yaml', '- a\n- b\n'), /^SEALGATE_CONFIG:/],
      [file('unknown.yaml', 'SEALGATE_STATES: x\n'), /^SEALGATE_STATES:/],
      [file('lower.yaml', 'state: x\n'), /^state:/],
    ] as const;
    for (const [path, message] of cases) expect(() => readSettings({ SEALGATE_CONFIG: path })).toThrow(message);
  });

  test('of seal keys may have one key a line', () => {
    const { SEALGATE_SEAL_KEYS: _keys, ...others } = GOOD;
    const [kid, key] = SEAL_KEYS.split(':');
    const [, other] = SealKeys.generate().split(':');
    const path = file('lines', `${kid}:${key}\n  second:${other}\n\n`);
    expect(() => parseConfig({ ...others, SEALGATE_SEAL_KEYS_FILE: path })).not.toThrow();
  });
});

test('host names are read in any case and spacing; an IPv6 address keeps its brackets out', () => {
  const config = parseConfig({
    ...GOOD,
    SEALGATE_HOSTNAMES: ' S3.Example.test, other.test ,',
    SEALGATE_PROXY_PROTOCOL: 'required',
    SEALGATE_TRUSTED_PROXIES: ' 10.0.0.0/8, 2001:db8::1 ,',
    SEALGATE_LISTEN: '[::1]:0',
  });
  expect(config.hostnames).toEqual(['s3.example.test', 'other.test']);
  expect([config.proxyProtocol, config.trustedProxies]).toEqual([true, ['10.0.0.0/8', '2001:db8::1']]);
  expect(config.listen).toEqual({ host: '::1', port: 0 });
});

test('a rate has as many requests at once as in a second, at least one, unless a burst is given', () => {
  const config = parseConfig({
    ...GOOD,
    SEALGATE_RATE_ADDRESS: '0.5',
    SEALGATE_RATE_TENANT: '99.5',
    SEALGATE_RATE_KEY: '10:500',
  });
  expect(config.rates).toEqual({
    address: { perSecond: 0.5, burst: 1 },
    tenant: { perSecond: 99.5, burst: 100 },
    key: { perSecond: 10, burst: 500 },
  });
});

test('a time for legacy objects is an instant', () => {
  const config = parseConfig({ ...GOOD, SEALGATE_LEGACY: 'before:2026-01-31T00:00:00Z' });
  expect(config.legacy).toEqual({ kind: 'before', time: Date.UTC(2026, 0, 31) });
});
