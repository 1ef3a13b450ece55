/** For a test of what is read from /proc: has a child of its own, spends processor time, and takes and gives back memory. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

if (process.argv[2] === 'idle') {
  process.once('disconnect', () => process.exit(0));
  process.on('message', () => undefined);
} else {
  const grandchild = fork(fileURLToPath(import.meta.url), ['idle']);
  let held: Buffer | undefined;
  process.once('disconnect', () => process.exit(0));
  process.on('message', ({ spendMs, bytes }: { spendMs: number; bytes: number }) => {
    held = bytes === 0 ? undefined : Buffer.alloc(bytes, 1);
    if (held === undefined) globalThis.gc?.();
    const { user, system } = process.cpuUsage();
    for (let used = 0; used < spendMs * 1000; ) {
      const now = process.cpuUsage();
      used = now.user + now.system - user - system;
    }
    process.send?.({ held: held?.length ?? 0 });
  });
  process.send?.({ grandchild: grandchild.pid });
}
