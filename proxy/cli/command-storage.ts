/**
 * The storage of a command: the same state as that of the servers, by the same settings. Without any setting, the quickstart's data
 * in the current directory, if there are any.
 */
import { type Config, parseConfig } from '../config/config.ts';
import { readSettings } from '../config/settings.ts';
import { openStorage, type Storage } from '../runtime.ts';
import { quickstartSettings } from './quickstart.ts';

export async function openCommandStorage(
  environment: NodeJS.ProcessEnv,
): Promise<{ storage: Storage; config: Config }> {
  const settings = readSettings(environment);
  const complete = settings['SEALGATE_BACKEND'] === undefined ? { ...quickstartSettings(), ...settings } : settings;
  const config = parseConfig(complete);
  return { config, storage: await openStorage(config) };
}
