/** Protects: the AWS SDK for Go v2 works unchanged, its transfer manager too; rclone's and Terraform's successors are built on it. */
import { clientSuite, type Tool } from './support/client-suite.ts';
import { installedClient } from './support/installed-clients.ts';
import { LIBRARY_STAGES, programChecks } from './support/program-checks.ts';
import { versionOf } from './support/run-client.ts';

async function installed(): Promise<readonly Tool[]> {
  const command = installedClient('bin', 'go-checks');
  const version = command === undefined ? undefined : await versionOf(command, ['version']);
  return command === undefined || version === undefined ? [] : [{ command, version }];
}

clientSuite({
  client: 'AWS SDK for Go v2',
  tools: await installed(),
  stages: LIBRARY_STAGES,
  checks: programChecks({ sources: ['go/main.go'], leastChecks: 6, args: [], scale: () => 17 }),
});
