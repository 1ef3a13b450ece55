/** `sealgate check`: what `serve` does before it listens, as a command of its own that changes nothing. */
import type { Config } from '../config/config.ts';
import { openStorage } from '../runtime.ts';
import { checkIssuers } from '../startup/check-issuers.ts';
import { checkKms } from '../startup/check-kms.ts';
import { checkSettings } from '../startup/check-settings.ts';
import { type Finding, inWords, type Tell } from '../startup/finding.ts';
import { checkStorage } from '../startup/run-checks.ts';
import { type Output, parseCommand, reporting, shape } from './command-line.ts';
import { PROCESS_OUTPUT } from './process-output.ts';

export const CHECK_USAGE = `Usage: sealgate check [--json]

Says whether 'sealgate serve' would start with these settings, one line for each thing that was looked at: ok, warning or fault,
and what to do about it. Reads all settings and files, asks the store with the configured credentials, compares clocks, looks
at what the state bucket holds, and whether it keeps what is deleted, tries out what the store can do (objects below probe/ in
the state bucket, removed again), and compares the seal keys with the keyrings. Safe beside running servers.

--json  one line of JSON for each finding: level, subject, text, todo

Exit codes: 0 no fault; 1 a fault: serve would not start; 2 the command line was wrong.
`;

const CHECK = shape([], { json: { type: 'boolean' } });

/** @returns the exit code */
export async function checkCommand(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
  output: Output = PROCESS_OUTPUT,
): Promise<number> {
  return reporting({ ...output, command: 'check', usage: CHECK_USAGE }, async () => {
    const { values } = parseCommand(args, CHECK);
    const show = values.json === true ? JSON.stringify : line;
    let faults = 0;
    await findings(environment, (finding) => {
      if (finding.level === 'fault') faults += 1;
      output.out(show(finding));
    });
    return faults === 0 ? 0 : 1;
  });
}

async function findings(environment: NodeJS.ProcessEnv, tell: Tell): Promise<void> {
  const config = checkSettings({ environment, now: new Date() }, tell);
  if (config === undefined) return;
  await checkIssuers(config.oidcIssuers, tell);
  await checkKms(config.kms, tell);
  await storageFindings(config, tell);
}

async function storageFindings(config: Config, tell: Tell): Promise<void> {
  const storage = await openStorage(config);
  try {
    await checkStorage(storage, { config, makesBucket: false, now: () => new Date() }, tell);
  } finally {
    await storage.backend.close();
  }
}

function line(finding: Finding): string {
  return `${finding.level.padEnd(8)} ${finding.subject}: ${inWords(finding)}`;
}
