/** `sealgate key attach-kms`: an existing key needs a key of a KMS from now on. Usage: key.ts. */
import { kmsOf } from '../keyring/admin/change-keyring.ts';
import { KmsAdmin } from '../keyring/admin/kms-admin.ts';
import { kmsKeyName } from '../keyring/admin/kms-key-name.ts';
import { parseCommand, shape, UsageError } from './command-line.ts';
import { readCaller } from './key-caller.ts';
import type { KeyCommandOptions } from './key-options.ts';

const text = { type: 'string' } as const;

export const ATTACH_KMS = shape([], { credentials: text, kms: text, json: { type: 'boolean' } });

export async function attachKms(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, ATTACH_KMS);
  if (values.kms === undefined) throw new UsageError('--kms is missing: a key of the KMS, as NAME/KEY.');
  const key = kmsKeyName(kmsOf(o.deps), values.kms);
  const caller = await readCaller(o.deps, { file: values.credentials, environment: o.environment }, o.signal);
  const wrap = await new KmsAdmin(o.deps).attach(caller.key, key, o.signal);
  if (values.json === true) o.out(JSON.stringify(wrap));
  else {
    o.out(`key ${wrap.slot} of tenant ${wrap.tenant} needs ${wrap.provider} ${wrap.key}`);
    o.err('A copy of the keyring from before still opens without the KMS: sealgate key rotate --deep ends that.');
  }
  return 0;
}
