/** What stands behind all targets: the sink, or a real S3 store that was named. */
import { once } from 'node:events';
import type { SigningCredentials } from '../../helpers/raw-client.ts';
import type { SinkAnswer, SinkReady } from '../sink/protocol.ts';
import type { Certificate } from '../tls.ts';
import type { Child, Children } from './children.ts';

/** Orders to the sink; a real store takes none. */
export interface SinkControl {
  /** Milliseconds before each of its answers. */
  delay(ms: number): Promise<void>;
  /** Requests by operation since last asked. */
  counts(): Promise<Readonly<Record<string, number>>>;
  /** Gives all objects below the prefix new ETags and times. */
  touch(bucket: string, prefix: string): Promise<number>;
}

export interface BackendUnderTest {
  readonly name: string;
  /** `http(s)://host:port` */
  readonly url: string;
  readonly tlsUrl?: string;
  readonly credentials: SigningCredentials;
  readonly region: string;
  readonly pids: readonly number[];
  readonly sink?: SinkControl;
}

/** The sink looks at no signature; these only have to be there. */
const SINK_CREDENTIALS = { accessKeyId: 'benchmark', secretAccessKey: 'not-checked-by-the-sink' };

export async function startSink(
  children: Children,
  o: { port?: number | undefined; tls?: Certificate | undefined } = {},
): Promise<BackendUnderTest> {
  const tls = o.tls === undefined ? [] : [o.tls.certificate, o.tls.key];
  const child = children.fork(new URL('../sink/sink-child.ts', import.meta.url), [String(o.port ?? 0), ...tls]);
  const [ready] = (await Promise.race([
    once(child.process, 'message'),
    once(child.process, 'exit').then(() => Promise.reject(new Error('the sink could not start'))),
  ])) as [SinkReady];
  return {
    name: 'sink',
    url: `http://127.0.0.1:${ready.port}`,
    ...(ready.tlsPort === undefined ? {} : { tlsUrl: `https://127.0.0.1:${ready.tlsPort}` }),
    credentials: SINK_CREDENTIALS,
    region: 'us-east-1',
    pids: [child.pid],
    sink: sinkControl(child),
  };
}

function sinkControl(child: Child): SinkControl {
  let last = 0;
  const waiting = new Map<number, (answer: SinkAnswer) => void>();
  child.process.on('message', (answer: SinkAnswer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  const order = (command: object) =>
    new Promise<SinkAnswer>((resolve) => {
      last += 1;
      waiting.set(last, resolve);
      child.process.send({ id: last, ...command });
    });
  return {
    delay: (ms) => order({ kind: 'delay', ms }).then(() => undefined),
    counts: () => order({ kind: 'counts' }).then(({ counts }) => counts ?? {}),
    touch: (bucket, prefix) => order({ kind: 'touch', bucket, prefix }).then(({ touched }) => touched ?? 0),
  };
}
