#!/usr/bin/env node
// Runs the TypeScript sources as they are in a checkout. An installed package and the image have the bundle instead, and no
// sources (deploy/bundle.ts).
import { existsSync } from 'node:fs';
import v8 from 'node:v8';

const [major] = process.versions.node.split('.');
if (Number(major) < 24) {
  process.stderr.write(
    `sealgate needs Node.js 24 or newer; this is ${process.version}. Run it as "npx sealgate ...", which uses the pinned one.\n`,
  );
  process.exit(1);
}
// Bodies pass through buffers that die young. In a new space that stays small they are collected soon; in one that grows as
// by default, they pile up to some hundred MiB first.
v8.setFlagsFromString('--semi-space-growth-factor=1');
// Those buffers count as heap. After a full collection the heap may by default grow by as little as 10 % before the next one,
// which takes half of all CPU time under eight streams. It may always double here; more gains nothing, and takes memory.
v8.setFlagsFromString('--heap-growing-percent=100');
// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error) => process.exit(error.code === 'EPIPE' ? 0 : 1));
const sources = new URL('../proxy/main.ts', import.meta.url);
const { main } = await import(existsSync(sources) ? sources.href : '../dist/main.js');
process.exitCode = await main(process.argv.slice(2));
