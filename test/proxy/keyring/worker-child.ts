/** A server of three workers with nothing but the telling of changes: the first tells, the others report what they heard. */
import cluster from 'node:cluster';
import { onWorkersChange, relayKeyringChanges, tellWorkers } from '../../../proxy/keyring/worker-changes.ts';

const WORKERS = 3;

if (cluster.isPrimary) {
  relayKeyringChanges();
  const heard: string[] = [];
  let ready = 0;
  cluster.on('message', (from, message: { ready?: true; heard?: string; done?: true }) => {
    if (message.ready === true && ++ready === WORKERS) cluster.workers?.['1']?.send('go');
    if (message.heard !== undefined) heard.push(`${from.id}: ${message.heard}`);
    // Each of the others has answered the one change with one report.
    if (heard.length === WORKERS - 1) {
      process.stdout.write(JSON.stringify(heard.toSorted()));
      for (const worker of Object.values(cluster.workers ?? {})) worker?.disconnect();
    }
  });
  for (let index = 0; index < WORKERS; index += 1) cluster.fork();
} else {
  onWorkersChange((tenant, generation) => process.send?.({ heard: `${tenant} ${generation}` }));
  process.on('message', (message) => {
    if (message !== 'go') return;
    // What is no change is passed on to nobody.
    process.send?.({ kind: 'something else', tenant: 'x' });
    tellWorkers('ab'.repeat(12), 7);
  });
  process.send?.({ ready: true });
}
