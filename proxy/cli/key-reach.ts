/** What a key may reach, as commands are given it: grants, or a policy in their place. */
import type { Grant } from '../keyring/grants.ts';
import { grantsOf, UsageError } from './command-line.ts';
import { readPolicyFile } from './policy-file.ts';

interface ReachValues {
  readonly bucket?: string[] | undefined;
  readonly prefix?: string | undefined;
  readonly 'read-only'?: boolean | undefined;
  readonly policy?: string | undefined;
  readonly credentials?: string | undefined;
}

/** Neither when nothing was said. @throws UsageError for both; InvalidGrant, PolicyFileError, MalformedPolicyDocument */
export async function reachOf(
  values: ReachValues,
  stdin: AsyncIterable<Buffer>,
): Promise<{ grants?: readonly Grant[]; policy?: string }> {
  const grants = grantsOf({ ...values, bucket: values.bucket, prefix: values.prefix });
  if (values.policy === undefined) return grants === undefined ? {} : { grants };
  if (grants !== undefined) throw new UsageError('A key has --bucket or --policy, not both.');
  if (values.policy === '-' && values.credentials === '-')
    throw new UsageError('Only one of the two can be standard input.');
  return { policy: (await readPolicyFile(values.policy, stdin)).text };
}
