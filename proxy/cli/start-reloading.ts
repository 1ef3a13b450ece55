/** Reloads on SIGHUP, and when a file of the settings has changed. */
import { setTimeout } from 'node:timers/promises';
import type { SealKeyUpkeep } from '../keyring/active-seal-key/seal-key-upkeep.ts';
import { watchFiles } from '../running/file-changes.ts';
import type { Reload } from '../running/reload.ts';
import { FILES_CHECK_MS, RELOAD_LOOK_MS } from '../running-limits.ts';

/**
 * `also`: after everything was taken over. Before that, the server looks whether another seal key signs meanwhile: the one that
 * signed may be gone from the file. Afterwards the server reports the seal keys that it has then.
 */
export function startReloading(
  reload: Reload,
  sealKey: Pick<SealKeyUpkeep, 'run'>,
  also: () => void = () => undefined,
): { close(): void } {
  const run = async (reason: string) => {
    // A store that is silent must not hold up the settings that may mend it.
    await Promise.race([sealKey.run(), setTimeout(RELOAD_LOOK_MS, undefined, { ref: false })]);
    if (!reload.run(reason)) return;
    also();
    await sealKey.run({ report: true });
  };
  const onSignal = () => void run('SIGHUP');
  process.on('SIGHUP', onSignal);
  const files = watchFiles({
    files: () => reload.files(),
    everyMs: FILES_CHECK_MS,
    onChange: () => run('a file has changed'),
  });
  return {
    close() {
      files.close();
      // The signal still kills nobody.
      process.off('SIGHUP', onSignal).on('SIGHUP', () => undefined);
    },
  };
}
