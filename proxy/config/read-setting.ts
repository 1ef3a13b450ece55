/** Reads one setting at a time, and the files that settings name. Every problem is reported with the name of the setting. */
import { readFileSync } from 'node:fs';
import { ConfigError, type Settings, type Variable } from './settings.ts';

export function required(settings: Settings, name: Variable): string {
  const value = settings[name];
  if (value === undefined || value === '') throw new ConfigError(name, 'must be set');
  return value;
}

/** The first choice is the default. */
export function oneOf<T extends string>(settings: Settings, name: Variable, choices: readonly [T, ...T[]]): T {
  const value = settings[name];
  if (value === undefined) return choices[0];
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new ConfigError(name, `must be one of ${choices.join(', ')}`);
  return found;
}

/** @throws ConfigError */
export function readSecretFile(name: Variable, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(name, `${path} cannot be read (${(error as { code?: string }).code ?? 'unknown error'})`);
  }
}
