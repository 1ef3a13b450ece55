/**
 * The sink's process: a cheap S3-like store in memory, for benchmarks only. Arguments: the port, then, for a TLS listener
 * as well, the PEM files of certificate and key. Ends with its parent.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { createSinkServer } from './http-server.ts';
import { SinkOperations } from './operations.ts';
import type { SinkAnswer, SinkCommand, SinkReady } from './protocol.ts';

const [port = '0', certificate, key] = process.argv.slice(2);
const operations = new SinkOperations();

async function listen(server: Server, on: number): Promise<number> {
  server.listen(on, '127.0.0.1', 1024);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function run(command: SinkCommand): SinkAnswer {
  switch (command.kind) {
    case 'delay':
      operations.delayMs = command.ms;
      return { id: command.id };
    case 'counts':
      return { id: command.id, counts: operations.takeCounts() };
    case 'touch':
      return { id: command.id, touched: operations.store.touch(command.bucket, command.prefix) };
  }
}

process.once('disconnect', () => process.exit(0));
process.on('message', (command: SinkCommand) => process.send?.(run(command)));
const ready: SinkReady = {
  port: await listen(createSinkServer(operations), Number(port)),
  tlsPort:
    certificate === undefined || key === undefined
      ? undefined
      : await listen(createSinkServer(operations, { cert: readFileSync(certificate), key: readFileSync(key) }), 0),
};
process.send?.(ready);
