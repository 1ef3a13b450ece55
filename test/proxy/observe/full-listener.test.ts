/** Protects: a listener that has all its connections in use is not ready, and says why; the operator can see how many there are. */
import { expect, test } from 'vitest';
import { createMetrics } from '../../../proxy/observe/metrics.ts';
import { NotReady, opsApp } from '../../../proxy/observe/ops-server.ts';
import { startOps } from '../../../proxy/running/start-ops.ts';
import { sharedBench } from '../../helpers/bench.ts';

const bench = sharedBench();

test('/readyz answers 503 with the reason', async () => {
  const check = () => Promise.reject(new NotReady('all connections are in use'));
  const reply = await opsApp({ metrics: createMetrics(), readiness: { check } }).request('/readyz');
  expect([reply.status, await reply.text()]).toEqual([503, 'not ready: all connections are in use\n']);
});

test('the listener is asked each time', async () => {
  let full = true;
  const { backend } = bench.proxy;
  const config = { opsListen: { host: '127.0.0.1', port: 0 }, state: { bucket: 'sealgate-state', prefix: '' } };
  const ops = await startOps({ config, storage: { backend }, metrics: createMetrics(), isFull: () => full });
  const ask = async () => (await fetch(`http://127.0.0.1:${ops.address.port}/readyz`)).text();
  expect(await ask()).toBe('not ready: all connections are in use\n');
  full = false;
  expect(await ask()).toBe('ready\n');
  await ops.close();
});

test('connections are counted in the metrics', async () => {
  const metrics = createMetrics();
  metrics.showConnections({ open: 7, limit: 10, isFull: false, refused: 3 });
  const text = await metrics.render();
  expect(text).toContain('sealgate_connections 7');
  expect(text).toContain('sealgate_connections_limit 10');
  expect(text).toContain('sealgate_connections_refused_total 3');
  expect(await metrics.render()).toContain('sealgate_connections_refused_total 3');
});
