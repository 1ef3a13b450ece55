/** The name of a caller in STS. The sealed part of a role's ARN is in no name. */
import { ACCOUNT, userResource } from '../access/resource.ts';
import type { Credential } from '../keyring/sessions/session-credential.ts';

export interface Identity {
  readonly arn: string;
  readonly userId: string;
}

export function identityOf(credential: Credential): Identity {
  const { tenant } = credential;
  const name = credential.kind === 'session' ? credential.details.name : undefined;
  if (credential.kind === 'session' && name !== undefined && credential.details.role !== undefined) {
    return { arn: assumedRoleArn(credential.details.role, name), userId: `${credential.slot}:${name}` };
  }
  if (name === undefined) return { arn: userResource(tenant).arn, userId: tenant };
  return { arn: federatedUserArn(name), userId: `${ACCOUNT}:${name}` };
}

export function assumedRoleArn(role: string, name: string): string {
  return `arn:aws:sts::${ACCOUNT}:assumed-role/${role}/${name}`;
}

export function federatedUserArn(name: string): string {
  return `arn:aws:sts::${ACCOUNT}:federated-user/${name}`;
}
