/** How STS hands out a session, and what of one did not fit. */
import type { IssuedSession } from '../../keyring/sessions/issue-session.ts';
import { SessionTooLarge } from '../../keyring/sessions/token.ts';
import type { XmlElement } from '../../xml/render-xml.ts';
import { QueryError } from '../errors.ts';
import { assumedRoleArn } from '../identity.ts';

export function credentialsElement(issued: IssuedSession): XmlElement {
  const { accessKeyId, secretAccessKey, sessionToken, ends } = issued;
  return {
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    SessionToken: sessionToken,
    Expiration: `${ends.toISOString().slice(0, 19)}Z`,
  };
}

/** SDKs read the account from the ARN. What opens a role is no part of it. */
export function assumedRoleElement(o: { role: string; slot: string; name: string }): XmlElement {
  return { AssumedRoleId: `${o.slot}:${o.name}`, Arn: assumedRoleArn(o.role, o.name) };
}

/** @throws QueryError PackedPolicyTooLarge */
export async function fitting<T>(issue: Promise<T>): Promise<T> {
  try {
    return await issue;
  } catch (cause) {
    if (!(cause instanceof SessionTooLarge)) throw cause;
    throw new QueryError('PackedPolicyTooLarge', cause.message, { cause });
  }
}
