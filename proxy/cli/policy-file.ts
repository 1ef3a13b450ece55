/** Reads a policy that a command is given as a file, checks it, and removes white space, as it is stored. */

import { actionsUnknown } from '../access/language/action-element.ts';
import { compilePolicy } from '../access/language/compile.ts';
import { MalformedPolicyDocument } from '../access/language/malformed.ts';
import { readPolicyJson } from '../access/language/policy-json.ts';
import type { Policy } from '../access/policy.ts';
import { readSmallFile, readSmallStream } from '../config/small-file.ts';
import { MAX_POLICY_CHARACTERS } from '../policy-limits.ts';

/** UTF-8 takes up to four bytes a character, and white space may stand around everything. */
const MAX_FILE_BYTES = 16 * MAX_POLICY_CHARACTERS;

/** The file cannot be read. The message says why. */
export class PolicyFileError extends Error {
  readonly code = 'POLICY_FILE';
}

export interface PolicyFile {
  /** JSON without white space. */
  readonly text: string;
  readonly policy: Policy;
  /** Patterns that match no action of this endpoint: typing errors, or actions that only AWS has. */
  readonly unknownActions: readonly string[];
}

/** `file`: a path, or `-` for standard input. @throws PolicyFileError, MalformedPolicyDocument */
export async function readPolicyFile(file: string, stdin: AsyncIterable<Buffer>): Promise<PolicyFile> {
  const o = { maxBytes: MAX_FILE_BYTES, Failure: PolicyFileError };
  const content =
    file === '-' ? await readSmallStream(stdin, { ...o, name: 'standard input' }) : await readSmallFile(file, o);
  return parsePolicyFile(content.toString('utf8'));
}

/** @throws MalformedPolicyDocument */
export function parsePolicyFile(given: string): PolicyFile {
  const statements = readPolicyJson(given);
  const text = JSON.stringify(JSON.parse(given));
  if (!text.isWellFormed()) throw new MalformedPolicyDocument('The policy is not well-formed Unicode.');
  const policy = compilePolicy('key', text);
  return { text, policy, unknownActions: actionsUnknown(statements.flatMap(({ actions }) => actions)) };
}
