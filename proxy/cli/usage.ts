/** The help of each command, for `sealgate COMMAND --help`. */
import { DECRYPT_USAGE } from './decrypt-options.ts';
import { ESCROW_USAGE } from './escrow.ts';
import { GC_USAGE } from './gc.ts';
import { KEY_USAGE } from './key.ts';
import { DEEP_USAGE } from './key-rotate-deep-options.ts';
import { SEAL_KEY_USAGE } from './seal-key.ts';
import { TENANT_USAGE } from './tenant.ts';
import { TENANT_DELETE_USAGE } from './tenant-delete.ts';
import { RECOVER_USAGE } from './tenant-recover.ts';

/** By the words of the command; the longest that fits counts. */
const USAGES: readonly (readonly [words: readonly string[], usage: string])[] = [
  [['key', 'rotate', '--deep'], DEEP_USAGE],
  [['tenant', 'delete'], TENANT_DELETE_USAGE],
  [['tenant', 'recover'], RECOVER_USAGE],
  [['tenant'], TENANT_USAGE],
  [['key'], KEY_USAGE],
  [['seal-key'], SEAL_KEY_USAGE],
  [['escrow'], ESCROW_USAGE],
  [['gc'], GC_USAGE],
  [['decrypt'], DECRYPT_USAGE],
];

/** `args`: the whole command line. `undefined` for commands that take no options. */
export function commandUsage(args: readonly string[]): string | undefined {
  return USAGES.find(([words]) => words.every((word, index) => args[index] === word))?.[1];
}
