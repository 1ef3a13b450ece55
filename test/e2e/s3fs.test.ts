/**
 * Protects: s3fs (fsspec) works unchanged, below pandas, dask, zarr and dvc: exclusive creation by the text of a 412, append by
 * UploadPartCopy, and metadata set by copies onto itself.
 */
import { clientSuite } from './support/client-suite.ts';
import { pythonWith } from './support/installed-clients.ts';
import { LIBRARY_STAGES, pythonChecks } from './support/program-checks.ts';

clientSuite({
  client: 's3fs (fsspec)',
  tools: await pythonWith('s3fs'),
  stages: LIBRARY_STAGES,
  checks: pythonChecks('s3fs_checks.py', { leastChecks: 8, scale: () => 17 }),
  // These compare ETags with MD5s.
  opaque: { except: ['files written and read whole'] },
});
