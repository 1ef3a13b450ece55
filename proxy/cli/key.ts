/**
 * `sealgate key create | import | attach-kms | rotate | reissue | list | revoke | update`: a tenant's API keys from the command line
 * (docs/keys.md). Works on the same state as the servers and is safe beside running ones. API keys come from files, the
 * environment or standard input, never from arguments.
 *
 * Exit codes: 0 done; 1 it could not be done; 2 the command line was wrong.
 */
import { runNamed, type Shape } from './command-line.ts';
import { ATTACH_KMS, attachKms } from './key-attach-kms.ts';
import {
  CREATE_KEY,
  createKey,
  IMPORT_KEY,
  importKey,
  REISSUE_KEY,
  ROTATE_KEY,
  reissueKey,
  rotateKey,
} from './key-issue.ts';
import { LIST_KEY, listKeys, REVOKE_KEY, revokeKey, UPDATE_KEY, updateKey } from './key-operate.ts';
import type { KeyCommandOptions } from './key-options.ts';

export const KEY_USAGE = `Usage:
  sealgate key create  [CALLER] [TERMS] [RESULT]                  another key for the caller's tenant
  sealgate key import  [CALLER] --key-file FILE [TERMS] [RESULT]  a key that exists already; - for standard input
  sealgate key attach-kms [CALLER] --kms NAME/KEY [--json]
  sealgate key rotate  [CALLER] [--slot KEY] [--grace TIME] [--registered] [--kdf NAME] [RESULT]
  sealgate key rotate  --deep ...                                 see sealgate key rotate --deep --help
  sealgate key reissue [CALLER] [--registered|--sealed] [--drop-old] [RESULT]
  sealgate key list    TENANT [--json]
  sealgate key revoke  TENANT KEY [--force] [--reason TEXT] [--json]
  sealgate key update  TENANT KEY [--status active|inactive] [--bucket NAME ...|--policy FILE] [--expires TIME|never]
                       [--label L] [--kdf NAME [--kdf-memory KIB] [--kdf-passes N] [--kdf-iterations N]]
                       [--end-sessions] [--json]

KEY     the 8 hex digits that create and list print, or the label, where no other key of the tenant has it
CALLER  a key of the tenant: --credentials FILE, JSON with accessKeyId and secretAccessKey, - for standard input;
        else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
TERMS   --bucket NAME|'*' [--prefix P] [--read-only]   grants; the caller's unless given
        --policy FILE   an IAM policy in their place, - for standard input; see sealgate policy --help
        --label L       a note, up to 64 characters
        --expires TIME  such as 2027-01-31T00:00:00Z or 30d
        --registered    an access key id of 20 characters; its key is then kept, sealed, in the state: server-managed
        --kdf NAME      hkdf-sha256 for a generated key, argon2id for an imported one, unless given
        --kms NAME/KEY  a key of a KMS of SEALGATE_KMS that must agree whenever the new key is used; the caller's own
                        unless given
RESULT  --out FILE      writes the key there, for its owner only, instead of printing it; --overwrite replaces a file
        --json          one line of JSON
        Printed or written, it is so before it counts. On failure what was printed is said to be void

attach-kms  the caller's key works only together with a key of a KMS from now on. Its access key id stays; its temporary
         credentials end. Rotate deeply afterwards: a copy of the keyring from before opens without the KMS
rotate   a new key with the terms of the old one, which stops at once, or after --grace (such as 24h) at the latest.
         No object is touched
reissue  the same key under a new access key id, made under the active seal key
revoke   refuses the last key in use, unless forced: without it the tenant's data is unreadable for ever
update   --kdf: a stronger derivation, taken up when the key is used and its sessions have ended: after 36 hours and 15
         minutes at the earliest, at once with --end-sessions; 'keep' takes that back
         --end-sessions: temporary credentials that were issued from the key stop within a minute

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

const COMMANDS: Readonly<Record<string, (args: readonly string[], o: KeyCommandOptions) => Promise<number>>> = {
  create: createKey,
  import: importKey,
  'attach-kms': attachKms,
  rotate: rotateKey,
  reissue: reissueKey,
  list: listKeys,
  revoke: revokeKey,
  update: updateKey,
};

export const KEY_SHAPES: Readonly<Record<string, Shape>> = {
  create: CREATE_KEY,
  import: IMPORT_KEY,
  'attach-kms': ATTACH_KMS,
  rotate: ROTATE_KEY,
  reissue: REISSUE_KEY,
  list: LIST_KEY,
  revoke: REVOKE_KEY,
  update: UPDATE_KEY,
};

/** `args`: what follows `key`. Returns the exit code. */
export function keyCommand(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  return runNamed(args, COMMANDS, o, { command: 'key', usage: KEY_USAGE });
}
