/**
 * Protects: obstore works unchanged: the Rust object_store, below lakes and engines in Rust and Python. It cannot read an object
 * whose metadata are not ASCII on the wire, and its conditional writes carry table logs.
 */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { clientSuite } from './support/client-suite.ts';
import { pythonWith } from './support/installed-clients.ts';
import { LIBRARY_STAGES, pythonChecks } from './support/program-checks.ts';
import { sdkClient } from './support/sdk-client.ts';
import type { Stage } from './support/stage.ts';

/** A client that sends bytes outside ASCII. */
async function prepare(stage: Stage): Promise<void> {
  const client = sdkClient(stage);
  const Metadata = { note: 'caf\u00e9' };
  const put = { Bucket: stage.bucket, Key: 'outside-ascii', Body: 'written elsewhere', Metadata };
  await client.send(new PutObjectCommand(put));
  client.destroy();
}

clientSuite({
  client: 'obstore',
  tools: await pythonWith('obstore'),
  stages: LIBRARY_STAGES,
  checks: pythonChecks('obstore_checks.py', { leastChecks: 8, scale: () => 17, prepare }),
  // These compare ETags with MD5s.
  opaque: { except: ['put, get, head and delete', 'parts in parallel, up and down'] },
});
