/** The credentials that the settings ask for. */
import type { CredentialsConfig } from '../../../config/credentials-config.ts';
import { awsCredentials } from './aws-chain.ts';
import { type CredentialSource, fixedCredentials, type OnCredentialEvent } from './credential-source.ts';
import { FileCredentials } from './file-credentials.ts';

export function openCredentials(
  config: CredentialsConfig,
  o: { readonly region: string; readonly onEvent?: OnCredentialEvent | undefined },
): CredentialSource {
  if (config.kind === 'aws') return awsCredentials(o);
  const { accessKeyId, secretAccessKey, sessionToken } = config;
  const isInFile = [accessKeyId, secretAccessKey, sessionToken].some((one) => one !== undefined && 'path' in one);
  if (isInFile || !('text' in accessKeyId) || !('text' in secretAccessKey)) {
    return new FileCredentials({ files: { accessKeyId, secretAccessKey, sessionToken }, onEvent: o.onEvent });
  }
  const token = sessionToken !== undefined && 'text' in sessionToken ? { sessionToken: sessionToken.text } : {};
  return fixedCredentials({ accessKeyId: accessKeyId.text, secretAccessKey: secretAccessKey.text, ...token });
}
