/**
 * Credentials as AWS gives them to a machine, looked for in the order of its SDKs: the environment, a shared profile, web identity
 * (IRSA), container credentials (EKS Pod Identity, ECS), instance metadata (IMDSv2). The SDK's own providers do the looking; they are
 * loaded only when they are asked for.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { OnCredentialEvent } from './credential-source.ts';
import { type Given, RenewedCredentials } from './renewed-credentials.ts';

/** `region`: of the token service, where AWS_REGION does not name one. */
export function awsCredentials(o: { region: string; onEvent?: OnCredentialEvent | undefined }): RenewedCredentials {
  let chain: ReturnType<typeof loadChain> | undefined;
  return new RenewedCredentials({
    async fetch() {
      chain ??= loadChain(o.region);
      return given(await (await chain)({ forceRefresh: true }));
    },
    onEvent: o.onEvent,
  });
}

async function loadChain(region: string) {
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
  const clientConfig = {
    region: process.env['AWS_REGION'] ?? region,
    // The control plane goes where the environment says: HTTPS_PROXY, HTTP_PROXY, NO_PROXY.
    requestHandler: {
      httpAgent: new HttpAgent({ proxyEnv: process.env }),
      httpsAgent: new HttpsAgent({ proxyEnv: process.env }),
    },
  };
  return defaultProvider({ clientConfig, logger: SILENT });
}

/** Its warnings would go to standard error, past the log. */
const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

function given(found: {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly expiration?: Date | undefined;
}): Given {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = found;
  const token = sessionToken === undefined ? {} : { sessionToken };
  return { credentials: { accessKeyId, secretAccessKey, ...token }, expires: expiration?.getTime() };
}
