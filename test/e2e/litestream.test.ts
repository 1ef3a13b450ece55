/**
 * Protects: litestream works unchanged: a SQLite database that is written to all the while is replicated, and restored from the
 * bucket with every row. Its leases and its listings go through conditions and sorted keys.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { expect, vi } from 'vitest';
import { clientEnvironment } from './support/client-environment.ts';
import { type Check, clientSuite } from './support/client-suite.ts';
import { goProgram } from './support/installed-clients.ts';
import { LIBRARY_STAGES } from './support/program-checks.ts';
import { runClient } from './support/run-client.ts';
import type { Stage } from './support/stage.ts';

function configuration(stage: Stage, database: string): string {
  const path = stage.path('litestream.yml');
  const replica = {
    type: 's3',
    bucket: stage.bucket,
    path: 'replica',
    endpoint: stage.endpoint,
    region: 'us-east-1',
    'force-path-style': true,
    'sync-interval': '200ms',
  };
  // JSON is YAML.
  writeFileSync(path, JSON.stringify({ dbs: [{ path: database, replica }] }));
  return path;
}

function insert(database: string, rows: readonly string[]): void {
  const db = new DatabaseSync(database);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 60000; CREATE TABLE IF NOT EXISTS t (text TEXT)');
  for (const row of rows) db.prepare('INSERT INTO t VALUES (?)').run(row);
  db.close();
}

function countIn(database: string): number {
  const db = new DatabaseSync(database, { readOnly: true });
  const row = db.prepare('SELECT count(*) AS n FROM t').get();
  db.close();
  return Number(row?.['n']);
}

const replicated: Check = async ({ stage, tool }) => {
  const database = stage.path('app.db');
  const config = configuration(stage, database);
  const rows = (count: number) =>
    Array.from({ length: count }, (_, index) => `${stage.marker} ${index} ${'x'.repeat(500)}`);
  insert(database, rows(200));
  // Its HTTP client takes authorities from the system's settings, and with AWS_CA_BUNDLE it does not start.
  const { AWS_CA_BUNDLE, ...own } = clientEnvironment(stage);
  const trust = AWS_CA_BUNDLE === undefined ? {} : { SSL_CERT_FILE: AWS_CA_BUNDLE };
  const env = { PATH: process.env['PATH'] ?? '', HOME: stage.directory, ...own, ...trust };
  const program = spawn(tool.command, ['replicate', '-config', config], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [program.stdout, program.stderr]) stream.on('data', (data) => (printed += data));
  const exited = once(program, 'exit');
  const restored = async () => {
    const target = stage.path('restored.db');
    const args = ['restore', '-config', config, '-o', target, database];
    const { code, stderr, stdout } = await runClient(tool.command, args, { directory: stage.directory, env });
    expect({ code, said: code === 0 ? '' : stdout + stderr + printed }).toEqual({ code: 0, said: '' });
    expect(existsSync(target)).toBe(true);
    return countIn(target);
  };
  try {
    for (let more = 0; more < 5; more++) insert(database, rows(100));
    await vi.waitFor(async () => expect(await restored()).toBe(700), { timeout: 90_000, interval: 1_000 });
  } finally {
    program.kill('SIGINT');
    await exited;
  }
  insert(database, rows(50));
  expect(await restored(), 'what was not replicated is not there').toBe(700);
  return '700 rows of a database that was written to';
};

clientSuite({
  client: 'litestream',
  tools: await goProgram('litestream', /^(.+)$/),
  stages: LIBRARY_STAGES,
  checks: { 'replicate a database that is written to, and restore it': replicated },
});
