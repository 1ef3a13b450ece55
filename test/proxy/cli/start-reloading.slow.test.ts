// Protects: a reload looks first whether the seal key that signed may go, reports the new ones afterwards, and waits for no silent store.
import { afterEach, expect, test } from 'vitest';
import { startReloading } from '../../../proxy/cli/start-reloading.ts';
import type { Reload } from '../../../proxy/running/reload.ts';
import { RELOAD_LOOK_MS } from '../../../proxy/running-limits.ts';

let reloading: { close(): void } | undefined;
afterEach(() => reloading?.close());

/** What happens at SIGHUP, in its order. */
function setup(o: { readonly look?: Promise<void>; readonly isTaken?: boolean } = {}) {
  const steps: string[] = [];
  const reload: Pick<Reload, 'run' | 'files'> = {
    run(reason) {
      steps.push(`reload: ${reason}`);
      return o.isTaken ?? true;
    },
    files: () => [],
  };
  const sealKey = {
    async run({ report = false } = {}) {
      steps.push(report ? 'report' : 'look');
      if (!report) await o.look;
    },
  };
  reloading = startReloading(reload as Reload, sealKey, () => void steps.push('workers'));
  return steps;
}

test('the seal key is looked up before, and reported afterwards', async () => {
  const steps = setup();
  process.emit('SIGHUP');
  await expect.poll(() => steps).toEqual(['look', 'reload: SIGHUP', 'workers', 'report']);
});

test('of what was refused nothing is reported', async () => {
  const steps = setup({ isTaken: false });
  process.emit('SIGHUP');
  await expect.poll(() => steps).toEqual(['look', 'reload: SIGHUP']);
});

test('a store that is silent holds nothing up', async () => {
  const steps = setup({ look: new Promise(() => undefined) });
  process.emit('SIGHUP');
  await expect.poll(() => steps, { timeout: 10 * RELOAD_LOOK_MS }).toContain('report');
});
