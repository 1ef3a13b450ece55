/**
 * The soak of connections: so many bad ones at once, in every bad state, against a plain and a TLS listener, and well-behaved clients
 * beside them all the while. What is measured: whether those are served and how fast, and what descriptors and memory the servers
 * take before, during and after.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NODE } from '../../e2e/support/program.ts';
import type { Attack, AttackReport } from './attackers-child.ts';
import type { Clients, ClientsReport } from './clients-child.ts';
import { type Resources, type ServerUnderAttack, startServer, type Transport } from './server-under-attack.ts';

export interface SoakOptions {
  /** Of the attack. */
  readonly seconds: number;
  /** Bad connections at each listener. */
  readonly connections: number;
  readonly workers: number;
  /** Well-behaved clients of each listener. */
  readonly clients: number;
  readonly tell: (line: string) => void;
}

export interface SoakResult {
  readonly transport: Transport;
  readonly served: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Milliseconds, before the attack and during it. */
  readonly calm: Latency;
  readonly attacked: Latency;
  readonly before: Resources;
  readonly peak: Resources;
  readonly after: Resources;
  /** The most bad connections held at once, and how many were opened in each state. */
  readonly held: number;
  readonly opened: Readonly<Record<string, number>>;
  /** Seconds after the attack until the descriptors were back. */
  readonly backSeconds: number;
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const CALM_SECONDS = 10;
/** Longer than any limit of a connection: what is still there then has leaked. */
const BACK_SECONDS = 200;
/** Descriptors that may come and go by themselves: connections of the clients, files of the store. */
const SPARE_DESCRIPTORS = 20;
/** So many connections fit into one process of attackers. */
const CONNECTIONS_A_PROCESS = 2_500;

export async function soak(o: SoakOptions): Promise<readonly SoakResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-soak-'));
  const servers: ServerUnderAttack[] = [];
  try {
    for (const transport of ['plain', 'TLS'] as const) {
      servers.push(await startServer(transport, { directory, workers: o.workers }));
    }
    return await Promise.all(servers.map((server) => attack(server, o)));
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
}

async function attack(server: ServerUnderAttack, o: SoakOptions): Promise<SoakResult> {
  const clients = start('clients-child.ts');
  const attackers: ChildProcess[] = [];
  try {
    clients.send({ of: server.used, clients: o.clients } satisfies Clients);
    await setTimeout(CALM_SECONDS * 1000);
    const calm = await ask<ClientsReport>(clients);
    const before = server.resources();
    for (let left = o.connections; left > 0; left -= CONNECTIONS_A_PROCESS) {
      const child = start('attackers-child.ts');
      attackers.push(child);
      const connections = Math.min(left, CONNECTIONS_A_PROCESS);
      child.send({ victim: server.attacked, connections } satisfies Attack);
    }
    const watched = await watch(server, attackers, o);
    const attacked = await ask<ClientsReport>(clients);
    // Stopped, not ended: the operating system keeps their connections open, so it is the server that has to end them.
    for (const child of attackers) child.kill('SIGSTOP');
    const backSeconds = await untilBack(server, before.descriptors + SPARE_DESCRIPTORS);
    const end = await ask<ClientsReport>(clients);
    return {
      transport: server.transport,
      served: end.served,
      errors: end.errors,
      calm: latency(calm.latencies),
      attacked: latency(attacked.latencies),
      before,
      ...watched,
      after: server.resources(),
      backSeconds,
    };
  } finally {
    for (const child of [clients, ...attackers]) child.kill('SIGKILL');
  }
}

function start(file: string): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), { execPath: NODE, execArgv: [] });
}

async function ask<T>(child: ChildProcess): Promise<T> {
  const answered = once(child, 'message');
  child.send('report');
  const [report] = (await answered) as [T];
  return report;
}

const SAMPLE_SECONDS = 5;

async function watch(
  server: ServerUnderAttack,
  attackers: readonly ChildProcess[],
  { seconds, tell }: SoakOptions,
): Promise<Pick<SoakResult, 'peak' | 'held' | 'opened'>> {
  let peak: Resources = { descriptors: 0, resident: 0 };
  let held = 0;
  let opened: Record<string, number> = {};
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    await setTimeout(SAMPLE_SECONDS * 1000);
    const now = server.resources();
    const reports = await Promise.all(attackers.map((child) => ask<AttackReport>(child)));
    const heldNow = reports.reduce((sum, report) => sum + report.held, 0);
    held = Math.max(held, heldNow);
    opened = added(reports.map((report) => report.opened));
    peak = {
      descriptors: Math.max(peak.descriptors, now.descriptors),
      resident: Math.max(peak.resident, now.resident),
    };
    tell(`${server.transport}: ${heldNow} held, ${await server.connections()} open, ${describeResources(now)}`);
  }
  return { peak, held, opened };
}

function added(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const one of counts) for (const [name, count] of Object.entries(one)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

/** Seconds until there are no more than so many, or as long as that is waited for. */
async function untilBack(server: ServerUnderAttack, descriptors: number): Promise<number> {
  const begun = Date.now();
  const seconds = () => (Date.now() - begun) / 1000;
  while (server.resources().descriptors > descriptors && seconds() < BACK_SECONDS) await setTimeout(500);
  return seconds();
}

export function describeResources({ descriptors, resident }: Resources): string {
  return `${descriptors} descriptors, ${Math.round(resident / 1024 / 1024)} MiB`;
}

function latency(values: readonly number[]): Latency {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(10 * (sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN)) / 10;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}
