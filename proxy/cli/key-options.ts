/** What every `sealgate key` command works with: the state, the seal keys and the events. */
import type { CommandDeps } from './command-approval.ts';
import type { HandingOutput } from './command-line.ts';

export interface KeyCommandOptions extends HandingOutput {
  readonly deps: CommandDeps;
  readonly environment: NodeJS.ProcessEnv;
  readonly stdin: AsyncIterable<Buffer>;
  readonly signal: AbortSignal;
}
