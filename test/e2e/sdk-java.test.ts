/**
 * Protects: the AWS SDK for Java v2 works unchanged: its synchronous client, which signs chunks with a trailer over http, its
 * asynchronous one with parts in parallel, and the CRT's, which ends on a Content-Range that is not the one it asked for.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { clientSuite, type Tool } from './support/client-suite.ts';
import { installedClient } from './support/installed-clients.ts';
import { LIBRARY_STAGES, programChecks } from './support/program-checks.ts';
import { versionOf } from './support/run-client.ts';
import type { Stage } from './support/stage.ts';

const LIBRARIES = installedClient('java', 'lib');
const CLASSES = installedClient('java', 'classes');
const CLASS_PATH = `${CLASSES}:${LIBRARIES}/*`;

async function installed(): Promise<readonly Tool[]> {
  if (LIBRARIES === undefined || CLASSES === undefined || !readdirSync(CLASSES).includes('SyncChecks.class')) return [];
  if ((await versionOf('java', ['-version'])) === undefined) return [];
  const [, version = 'unknown'] = /(?:^|\n)s3-(\d[\d.]*)\.jar/.exec(readdirSync(LIBRARIES).join('\n')) ?? [];
  return [{ command: 'java', version }];
}

/** Java takes authorities from a key store. */
function trust(stage: Stage): Readonly<Record<string, string>> {
  if (stage.certificate === undefined) return {};
  const store = join(stage.directory, 'authority.p12');
  const made = ['-importcert', '-noprompt', '-alias', 'ca', '-file', stage.certificate.authority, '-keystore', store];
  execFileSync('keytool', [...made, '-storetype', 'PKCS12', '-storepass', 'changeit'], { stdio: 'pipe' });
  const properties = { trustStore: store, trustStorePassword: 'changeit', trustStoreType: 'PKCS12' };
  const flags = Object.entries(properties).map(([name, value]) => `-Djavax.net.ssl.${name}=${value}`);
  return { JDK_JAVA_OPTIONS: flags.join(' ') };
}

const tools = await installed();

for (const [kind, program, args] of [
  ['sync', 'SyncChecks', []],
  ['async', 'AsyncChecks', ['netty']],
  ['CRT', 'AsyncChecks', ['crt']],
] as const) {
  clientSuite({
    client: `AWS SDK for Java v2, ${kind}`,
    tools,
    stages: LIBRARY_STAGES,
    checks: programChecks({
      sources: [`java/${program}.java`],
      leastChecks: 6,
      args: ['-cp', CLASS_PATH, program, ...args],
      scale: () => 17,
      env: trust,
    }),
  });
}
