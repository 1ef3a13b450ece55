/** What `sealgate kms` says of keys and failures. */
import { S3Error } from '../errors.ts';
import type { WrapDetails } from '../keyring/admin/kms-admin.ts';
import type { KmsKeyState } from '../kms/provider.ts';

/** In words. Of a 503 the reason behind it is what an operator needs. @throws own bugs on */
export function failed(error: unknown): string {
  if (!(error instanceof Error)) throw error;
  if (error instanceof S3Error && error.cause instanceof Error) return error.cause.message;
  return error.message;
}

/**
 * For each key that is in use: the oldest version that a wrap still needs. Whatever is older may be switched off at the KMS: in
 * Transit, `min_decryption_version` may be raised to it. Keys whose KMS counts no versions are left out.
 */
export function keysBehind(
  wraps: readonly WrapDetails[],
  states: ReadonlyMap<string, KmsKeyState | string>,
  json: boolean,
): readonly string[] {
  return [...states].flatMap(([name, state]) => {
    if (typeof state === 'string' || state.current === '') return [];
    const needed = wraps.filter(({ provider, key }) => `${provider} ${key}` === name).map(({ version }) => version);
    const [oldestNeeded = state.current] = needed.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
    const { current, oldest } = state;
    if (json) return [JSON.stringify({ key: name, current, oldest, oldestNeeded })];
    const rest = oldestNeeded === current ? '' : '; after kms rewrap --all, to the present one';
    return [
      `${name}  present version ${current}, oldest ${oldest}: the oldest may be raised to ${oldestNeeded}${rest}`,
    ];
  });
}
