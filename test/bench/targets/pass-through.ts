/** Starts the minimal node:http pass-through as a target beside the others. */
import { once } from 'node:events';
import type { BackendUnderTest } from './backend.ts';
import type { Children } from './children.ts';
import { PLAIN_BUCKET, type Target, targetOnPort } from './target.ts';

export async function startPassThrough(children: Children, backend: BackendUnderTest): Promise<Target | undefined> {
  const { protocol, host } = new URL(backend.url);
  if (protocol !== 'http:') return undefined;
  const child = children.fork(new URL('pass-through-child.ts', import.meta.url), [host]);
  const [{ port }] = (await once(child.process, 'message')) as [{ port: number }];
  return targetOnPort({ name: 'node-http', port, bucket: PLAIN_BUCKET, pid: child.pid, signing: backend });
}
