/** Protects: pyarrow's file system works unchanged: the AWS SDK for C++, with streams in parts, Parquet by ranges and datasets. */
import { clientSuite } from './support/client-suite.ts';
import { pythonWith } from './support/installed-clients.ts';
import { LIBRARY_STAGES, pythonChecks } from './support/program-checks.ts';

clientSuite({
  client: 'pyarrow',
  tools: await pythonWith('pyarrow'),
  stages: LIBRARY_STAGES,
  checks: pythonChecks('arrow_checks.py', { leastChecks: 4, scale: () => 23 }),
  opaque: { except: [] },
});
