/** What one measurement of one target gives, and what all rounds together give. */
import { GiB, MiB } from '../../helpers/bytes.ts';
import { median } from './statistics.ts';

/** One measurement: one load, one target, one round. */
export interface Sample {
  readonly operations: number;
  readonly errors: readonly string[];
  readonly bytes: number;
  readonly seconds: number;
  /** Milliseconds of an operation; `undefined` when none succeeded. */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
  /** Seconds of processor time; `undefined` for a target whose processes are not known. */
  readonly cpuSeconds: number | undefined;
  /** Of the load generator and of the backend, in the same time. */
  readonly clientCpuSeconds: number;
  readonly backendCpuSeconds: number | undefined;
  /** Of the whole machine's processor time, what neither this run nor idling took: 0 to 1. */
  readonly others: number;
  /** Bytes. */
  readonly peakMemory: number | undefined;
  readonly memory: number | undefined;
  /** By operation; `undefined` for a real backend. */
  readonly backendRequests: Readonly<Record<string, number>> | undefined;
}

/** Medians over the rounds. */
export interface Result {
  readonly load: string;
  readonly target: string;
  readonly rounds: number;
  readonly operations: number;
  readonly errors: readonly string[];
  readonly mibPerSecond: number;
  readonly operationsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuSecondsPerGiB: number | undefined;
  /** Seconds for 1,000 operations. */
  readonly cpuSecondsPer1000: number | undefined;
  /** Of all processor time used by client, target and backend: those of client and backend, for each operation in ms. */
  readonly clientCpuMs: number;
  readonly backendCpuMs: number | undefined;
  readonly others: number;
  readonly peakMemory: number | undefined;
  readonly memory: number | undefined;
  readonly backendRequestsPerOperation: number | undefined;
  readonly samples: readonly Sample[];
}

export function resultOf(load: string, target: string, samples: readonly Sample[]): Result {
  const of = (figure: (sample: Sample) => number | undefined) =>
    median(samples.flatMap((sample) => (sample.operations === 0 ? [] : (figure(sample) ?? []))));
  const per = (figure: (sample: Sample) => number | undefined, unit: (sample: Sample) => number) =>
    of((sample) => {
      const value = figure(sample);
      return value === undefined || unit(sample) === 0 ? undefined : value / unit(sample);
    });
  const requests = (sample: Sample) =>
    sample.backendRequests && Object.values(sample.backendRequests).reduce((sum, count) => sum + count, 0);
  const highest = (figure: (sample: Sample) => number | undefined) => {
    const known = samples.flatMap((sample) => figure(sample) ?? []);
    return known.length === 0 ? undefined : Math.max(...known);
  };
  return {
    load,
    target,
    rounds: samples.length,
    operations: samples.reduce((sum, sample) => sum + sample.operations, 0),
    errors: samples.flatMap((sample) => sample.errors),
    mibPerSecond: of((sample) => sample.bytes / MiB / sample.seconds) ?? 0,
    operationsPerSecond: of((sample) => sample.operations / sample.seconds) ?? 0,
    p50: of((sample) => sample.p50) ?? Number.NaN,
    p99: of((sample) => sample.p99) ?? Number.NaN,
    cpuSecondsPerGiB: per(
      (sample) => sample.cpuSeconds,
      (sample) => sample.bytes / GiB,
    ),
    cpuSecondsPer1000: per(
      (sample) => sample.cpuSeconds,
      (sample) => sample.operations / 1000,
    ),
    clientCpuMs:
      per(
        (sample) => sample.clientCpuSeconds,
        (sample) => sample.operations / 1000,
      ) ?? 0,
    backendCpuMs: per(
      (sample) => sample.backendCpuSeconds,
      (sample) => sample.operations / 1000,
    ),
    others: of((sample) => sample.others) ?? 0,
    peakMemory: highest((sample) => sample.peakMemory),
    memory: of((sample) => sample.memory),
    backendRequestsPerOperation: per(requests, (sample) => sample.operations),
    samples,
  };
}
