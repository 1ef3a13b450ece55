/** Protects: Delta tables work unchanged: each commit is a conditional PUT, and writers at once must not lose one another's rows. */
import { clientSuite } from './support/client-suite.ts';
import { pythonWith } from './support/installed-clients.ts';
import { LIBRARY_STAGES, pythonChecks } from './support/program-checks.ts';

clientSuite({
  client: 'deltalake',
  tools: await pythonWith('deltalake'),
  stages: LIBRARY_STAGES,
  checks: pythonChecks('deltalake_checks.py', { leastChecks: 4, scale: () => 1 }),
  opaque: { except: [] },
});
