/** The AWS SDK for JavaScript as one of a stage's tenants. */
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { S3Client } from '@aws-sdk/client-s3';
import type { Stage, Tenant } from './stage.ts';

/** Over https it trusts the stage's authority and nothing else. `endpoint`: of what stands in front of the program. */
export function sdkClient(stage: Stage, o: { as?: Tenant; endpoint?: string } = {}): S3Client {
  const { accessKeyId, secretAccessKey } = o.as ?? stage.tenant;
  const certificate = stage.certificate;
  return new S3Client({
    endpoint: o.endpoint ?? stage.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
    ...(certificate && { requestHandler: { httpsAgent: new Agent({ ca: readFileSync(certificate.authority) }) } }),
  });
}
