/** The environment that AWS's own programs and libraries read: a tenant's credentials, and no trace of the machine's settings. */
import type { Stage, Tenant } from './stage.ts';

export function clientEnvironment(stage: Stage, o: { as?: Tenant } = {}): Record<string, string> {
  const { accessKeyId, secretAccessKey } = o.as ?? stage.tenant;
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    ...(stage.certificate && { AWS_CA_BUNDLE: stage.certificate.authority }),
  };
}
