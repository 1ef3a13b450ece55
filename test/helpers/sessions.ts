/** Temporary credentials as a client of STS gets them, and requests signed with them. */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { TestTenant } from './proxy.ts';
import { asQueryReply, type QueryReply, sendQuery, VERSION } from './query-api.ts';
import { type Header, type SigningCredentials, sendRaw } from './raw-client.ts';

export interface TestSession extends SigningCredentials {
  readonly sessionToken: string;
  readonly expiration: Date;
}

export type StsParameters = Readonly<Record<string, string>>;

export function sts(endpoint: string, as: SigningCredentials, parameters: StsParameters): Promise<QueryReply> {
  return sendQuery(endpoint, as, { service: 'sts', parameters });
}

/** @throws Error with the code of the refusal */
export async function sessionOf(
  endpoint: string,
  as: SigningCredentials,
  parameters: StsParameters = { Action: 'GetSessionToken' },
): Promise<TestSession> {
  return credentialsIn(await sts(endpoint, as, parameters), parameters['Action'] ?? '');
}

/** @throws Error with the code of the refusal */
export function credentialsIn(reply: QueryReply, action: string): TestSession {
  const credentials = reply.root.child(`${action}Result`)?.child('Credentials');
  if (credentials === undefined) throw new Error(`no credentials: ${reply.error}`);
  const value = (name: string) => credentials.value(name) ?? '';
  return {
    accessKeyId: value('AccessKeyId'),
    secretAccessKey: value('SecretAccessKey'),
    sessionToken: value('SessionToken'),
    expiration: new Date(value('Expiration')),
  };
}

/** The reply to AssumeRoleWithWebIdentity, which nobody signs. */
export async function assumeByToken(
  endpoint: string,
  o: { readonly arn: string; readonly token: string },
): Promise<QueryReply> {
  const Action = 'AssumeRoleWithWebIdentity';
  const form = { Action, Version: VERSION.sts, RoleSessionName: 'job', RoleArn: o.arn, WebIdentityToken: o.token };
  const body = new URLSearchParams(form).toString();
  const headers: Header[] = [
    ['host', new URL(endpoint).host],
    ['content-type', 'application/x-www-form-urlencoded'],
    ['content-length', String(body.length)],
  ];
  return asQueryReply(await sendRaw(endpoint, { method: 'POST', target: '/', headers, body }));
}

/** A stock client without retries. */
export function sessionClient(
  endpoint: string,
  session: Omit<TestSession, 'expiration'>,
  extra: S3ClientConfig = {},
): S3Client {
  const { accessKeyId, secretAccessKey, sessionToken } = session;
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey, sessionToken },
    ...extra,
  });
}

/** A policy in IAM's language that allows everything below a prefix. */
export function below(bucket: string, prefix: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 's3:*', Resource: `arn:aws:s3:::${bucket}/${prefix}*` },
      {
        Effect: 'Allow',
        Action: 's3:ListBucket',
        Resource: `arn:aws:s3:::${bucket}`,
        Condition: { StringLike: { 's3:prefix': `${prefix}*` } },
      },
    ],
  });
}

export const keyOf = ({ accessKeyId, secretAccessKey }: TestTenant): SigningCredentials => ({
  accessKeyId,
  secretAccessKey,
});
