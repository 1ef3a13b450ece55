/** One measurement: drives a load at a target and reads, before and after, what everyone involved has used. */
import { Connection } from '../client/connection.ts';
import { drive, type Operation } from '../client/drive.ts';
import type { Load } from '../loads/load.ts';
import type { BackendUnderTest } from '../targets/backend.ts';
import type { Target } from '../targets/target.ts';
import { cpuSeconds, machineCpu, memoryOf, processTree, resetPeaks } from './process-tree.ts';
import type { Sample } from './result.ts';
import { percentile } from './statistics.ts';

export interface SampleOptions {
  readonly load: Load;
  readonly target: Target;
  readonly backend: BackendUnderTest;
  readonly operation: Operation;
  readonly milliseconds: number;
  readonly least: number;
}

export async function takeSample(o: SampleOptions): Promise<Sample> {
  const { load, target, backend } = o;
  const { sink } = backend;
  const connections = Array.from({ length: load.connections }, () => new Connection(target.endpoint.address));
  await Promise.all(connections.map((connection) => connection.open()));
  await sink?.delay(load.backendDelayMs ?? 0);
  const pids = target.pids.length === 0 ? [] : processTree(target.pids);
  const backendPids = processTree(backend.pids);
  resetPeaks(pids);
  await sink?.counts();
  const before = reading(pids, backendPids);
  const driven = await drive({
    connections,
    operation: o.operation,
    milliseconds: o.milliseconds,
    least: o.least,
    before: coldStart(o),
  });
  const after = reading(pids, backendPids);
  const counts = await sink?.counts();
  await sink?.delay(0);
  for (const connection of connections) connection.close();
  const used = after.target - before.target;
  const own = after.client - before.client;
  const backendUsed = after.backend - before.backend;
  // A target that is the backend itself is counted once.
  const known = own + backendUsed + (isBackend(target, backend) ? 0 : used);
  // The sink's memory is the objects themselves.
  const memory = pids.length === 0 || isBackend(target, backend) ? undefined : memoryOf(pids);
  return {
    operations: driven.operations,
    errors: driven.errors,
    bytes: driven.bytes,
    seconds: driven.seconds,
    p50: percentile(driven.latencies, 50),
    p99: percentile(driven.latencies, 99),
    cpuSeconds: pids.length === 0 ? undefined : used,
    clientCpuSeconds: own,
    backendCpuSeconds: backend.pids.length === 0 ? undefined : backendUsed,
    others:
      Math.max(0, after.machine.busy - before.machine.busy - known) / (after.machine.total - before.machine.total),
    peakMemory: memory?.peak,
    memory: memory?.resident,
    backendRequests: counts,
  };
}

function isBackend(target: Target, backend: BackendUnderTest): boolean {
  return target.pids.some((pid) => backend.pids.includes(pid));
}

function reading(target: readonly number[], backend: readonly number[]) {
  const { user, system } = process.cpuUsage();
  return {
    target: cpuSeconds(target),
    backend: cpuSeconds(backend),
    client: (user + system) / 1e6,
    machine: machineCpu(),
  };
}

function coldStart({ load, target, backend }: SampleOptions): (() => Promise<void>) | undefined {
  const { cold } = load;
  if (cold === undefined || backend.sink === undefined) return undefined;
  const { sink } = backend;
  return () => sink.touch(target.endpoint.bucket, cold).then(() => undefined);
}
