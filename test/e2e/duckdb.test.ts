/** Protects: DuckDB works unchanged: it searches listings as text, compares sizes and ETags, and reads Parquet by ranges. */
import { clientSuite } from './support/client-suite.ts';
import { pythonWith } from './support/installed-clients.ts';
import { LIBRARY_STAGES, pythonChecks } from './support/program-checks.ts';

clientSuite({
  client: 'DuckDB (httpfs)',
  // The extension is of the same version; without it there is no S3.
  tools: await pythonWith('duckdb_extension_httpfs'),
  stages: LIBRARY_STAGES,
  checks: pythonChecks('duckdb_checks.py', { leastChecks: 5, scale: () => 1 }),
  opaque: { except: [] },
});
