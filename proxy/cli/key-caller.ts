/** Finds whose key a command was given. The access key id is resolved as a server does it, and the secret must be the one in it. */
import { timingSafeEqual } from 'node:crypto';
import type { AccessKey } from '../keyring/access-keys/access-key-id.ts';
import { resolveAccessKey } from '../keyring/access-keys/registered-ids.ts';
import type { KeyringDeps } from '../keyring/admin/change-keyring.ts';
import { apiKeyFromText, kdfInput, MAX_REGISTERED_RAW_BYTES } from '../keyring/slots/api-key.ts';
import { NoCallerSecret, readCallerSecret } from './caller-secret.ts';

export interface Caller {
  readonly key: AccessKey;
  /** As it was given. */
  readonly secretAccessKey: string;
}

/** @throws NoCallerSecret, S3Error InvalidAccessKeyId or ServiceUnavailable */
export async function readCaller(
  deps: KeyringDeps,
  o: { file: string | undefined; environment: NodeJS.ProcessEnv },
  signal: AbortSignal,
): Promise<Caller> {
  const { accessKeyId, secretAccessKey } = await readCallerSecret(o.file, o.environment);
  if (accessKeyId === undefined) throw new NoCallerSecret('The access key id is missing beside the secret access key.');
  const key = await resolveAccessKey(deps, accessKeyId, signal);
  const secret = kdfInput(apiKeyFromText(secretAccessKey, { maxRawBytes: MAX_REGISTERED_RAW_BYTES }));
  if (secret.length !== key.secret.length || !timingSafeEqual(secret, key.secret)) {
    throw new NoCallerSecret('The secret access key is not the one that the access key id belongs to.');
  }
  return { key, secretAccessKey };
}
