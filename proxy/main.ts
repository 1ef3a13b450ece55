/** The command line: which command, with which settings. */
import { decryptCommand } from './cli/decrypt.ts';
import { escrowCommand } from './cli/escrow.ts';
import { gcCommand } from './cli/gc.ts';
import { keyRotateDeepCommand } from './cli/key-rotate-deep.ts';
import { quickstart } from './cli/quickstart.ts';
import { runKeyCommand, runSealKeyCommand } from './cli/run-key-command.ts';
import { serve } from './cli/serve.ts';
import { runTenantCommand } from './cli/tenant-command.ts';
import { commandUsage } from './cli/usage.ts';
import { ConfigError } from './config/config.ts';
import { S3Error } from './errors.ts';

const USAGE = `Usage: sealgate COMMAND [options]

  quickstart     start with an embedded store under ./sealgate-data; first run creates a tenant and a bucket
  serve          start, configured by SEALGATE_* environment variables (SEALGATE_CONFIG=FILE.yaml for a file)
  tenant create  --bucket NAME|'*' [--prefix P] [--read-only] [--json]
  tenant list    [--json]
  tenant show    TENANT [--json]
  tenant recover TENANT --escrow-key FILE --bucket NAME|'*': a new key for a tenant that is escrowed
  escrow keygen  --out FILE: a key pair for escrow
  escrow remove  [--credentials FILE]: takes the escrow off a tenant
  tenant delete  TENANT [--count] [--yes TENANT]: makes all its data unreadable
  key create     another key for a tenant; also key import, rotate, reissue, list, revoke, update (sealgate key --help)
  seal-key       status | resign: rotating the server's seal keys
  gc             [--dry-run] [--abandoned-after DAYS] [--json]: remove what abandoned uploads left
  key rotate     --deep [--dry-run | --status] [options]: a new root key, and every object wrapped under it
  decrypt        --bucket NAME (--key KEY | --prefix PREFIX | --all) --output PATH: open objects without a server
  help           this text

Add --help to a command for its options. Settings and their meaning: README.md, "Configuration".
`;

/** @returns the exit code: 0 done, 1 failed, 2 wrong usage */
export async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  // Before any setting is read: who asks for help may have none yet.
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(commandUsage(args) ?? USAGE);
    return 0;
  }
  try {
    if (command === 'key' && rest[0] === 'rotate' && rest.includes('--deep')) {
      return await keyRotateDeepCommand(rest.slice(1), process.env);
    }
    switch (command) {
      case 'quickstart':
        return await quickstart(process.env);
      case 'serve':
        return await serve(process.env);
      case 'tenant':
        return await runTenantCommand(rest, process.env);
      case 'escrow':
        return await escrowCommand(rest, process.env);
      case 'key':
        return await runKeyCommand(rest, process.env);
      case 'seal-key':
        return await runSealKeyCommand(rest, process.env);
      case 'gc':
        return await gcCommand(rest, process.env);
      case 'decrypt':
        return await decryptCommand(rest, process.env);
      case 'help':
      case '--help':
      case '-h':
        process.stdout.write(USAGE);
        return 0;
      default:
        process.stderr.write(command === undefined ? USAGE : `sealgate: there is no command "${command}"\n\n${USAGE}`);
        return 2;
    }
  } catch (error) {
    process.stderr.write(`sealgate: ${explain(error)}\n`);
    return 1;
  }
}

function explain(error: unknown): string {
  if (error instanceof ConfigError) return `cannot start: ${error.message}`;
  if (error instanceof S3Error) return withCause(`${error.code}: ${error.message}`, error.cause);
  const code = (error as { code?: unknown }).code;
  if (code === 'EADDRINUSE') return 'cannot start: the address of SEALGATE_LISTEN or SEALGATE_OPS_LISTEN is in use';
  return error instanceof Error ? error.message : 'unknown failure';
}

/** At start-up the reason behind a 503 is what the operator needs. */
function withCause(text: string, cause: unknown): string {
  return cause instanceof Error ? `${text} (${cause.message})` : text;
}
