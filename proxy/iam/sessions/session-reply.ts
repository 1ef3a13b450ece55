/** How STS hands out a session, and what of one did not fit. */
import type { IssuedSession } from '../../keyring/sessions/issue-session.ts';
import { SessionTooLarge } from '../../keyring/sessions/token.ts';
import type { XmlElement } from '../../xml/render-xml.ts';
import { QueryError } from '../errors.ts';

export function credentialsElement(issued: IssuedSession): XmlElement {
  const { accessKeyId, secretAccessKey, sessionToken, ends } = issued;
  return {
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    SessionToken: sessionToken,
    Expiration: `${ends.toISOString().slice(0, 19)}Z`,
  };
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
