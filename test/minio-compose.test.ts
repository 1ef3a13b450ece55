// Protects: minio-compose.yml and the Dockerfile hold no secret, pin what they pull, and give the program settings that it takes.
// test/deploy/compose.test.ts starts them.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../proxy/config/config.ts';
import { variables } from '../proxy/config/settings.ts';
import { SealKeys } from '../proxy/keyring/access-keys/seal-keys.ts';

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly environment: Readonly<Record<string, string>>;
}
const { services } = parse(read('minio-compose.yml')) as { services: Readonly<Record<string, Service>> };

test('holds no secret: each comes from a variable that must be set', () => {
  const secrets = Object.values(services)
    .flatMap(({ environment }) => Object.entries(environment))
    .filter(([name]) => /PASSWORD|SECRET|SEAL_KEYS|ROOT_USER|ACCESS_KEY/.test(name));
  expect(secrets.length).toBeGreaterThanOrEqual(5);
  for (const [name, value] of secrets) expect(value, name).toMatch(/^\$\{[A-Z_]+:\?[^}]+\}$/);
});

test('starts Sealgate with settings that it takes', () => {
  const values: Readonly<Record<string, string>> = {
    MINIO_ROOT_USER: 'somebody',
    MINIO_ROOT_PASSWORD: 'of at least eight',
    SEALGATE_SEAL_KEYS: SealKeys.generate(),
  };
  const { environment = {} } = services['sealgate'] ?? {};
  const settings = Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value.replace(/^\$\{([A-Z_]+):.*$/, (_, v: string) => values[v] ?? ''),
    ]),
  );
  expect(Object.keys(settings).filter((name) => !variables().includes(name))).toEqual([]);
  expect(parseConfig(settings).backend).toMatchObject({
    kind: 's3',
    credentials: { kind: 'keys', accessKeyId: { text: 'somebody' } },
  });
});

test('pins what it pulls, and builds the rest from a Dockerfile with a pinned base', () => {
  const pulled = Object.values(services).flatMap(({ image }) => image ?? []);
  const bases = [...read('Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image = '']) => image);
  expect(services['sealgate']?.build).toBe('.');
  expect(pulled.length).toBeGreaterThan(0);
  expect(bases.length).toBeGreaterThan(1);
  for (const image of [...pulled, ...bases]) expect(image).toMatch(/:[\w.-]*\d[\w.-]*$/);
});

test('the image has what the program imports, its base is the pinned Node.js, and it does not run as root', () => {
  const dockerfile = read('Dockerfile');
  for (const folder of ['bin', 'crypto', 'proxy', 'sigv4']) expect(dockerfile).toContain(`COPY ${folder} ./${folder}`);
  const { dependencies } = JSON.parse(read('package.json'));
  expect(dockerfile).toContain(`FROM node:${dependencies.node}-`);
  expect(dockerfile).toMatch(/^USER 1000:1000$/m);
});
