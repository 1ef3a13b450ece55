/** What callers of STS say of the session that they want, within STS's bounds (STS API reference, each action's "Request Parameters"). */
import { compilePolicy } from '../../access/language/compile.ts';
import { MalformedPolicyDocument } from '../../access/language/malformed.ts';
import type { WantedDetails } from '../../keyring/sessions/issue-session.ts';
import { MAX_SESSION_POLICY_CHARACTERS, MAX_SESSION_TAGS, MAX_SESSION_USES } from '../../session-limits.ts';
import { QueryError } from '../errors.ts';

type Parameters = ReadonlyMap<string, string>;

const DEFAULT_SECONDS = 3_600;
const LEAST_SECONDS = 900;

/** @throws QueryError ValidationError */
export function secondsOf(parameters: Parameters, most: number): number {
  const text = parameters.get('DurationSeconds');
  if (text === undefined) return DEFAULT_SECONDS;
  const seconds = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= LEAST_SECONDS && seconds <= most) return seconds;
  throw new QueryError('ValidationError', `DurationSeconds is a number from ${LEAST_SECONDS} to ${most}.`);
}

/** Of a federated user, or of a session of a role. @throws QueryError ValidationError */
export function sessionNameOf(parameters: Parameters, parameter: string, most: number): string {
  const name = parameters.get(parameter) ?? '';
  if (name.length >= 2 && name.length <= most && /^[\w+=,.@-]+$/.test(name)) return name;
  throw new QueryError('ValidationError', `${parameter} has 2 to ${most} characters of A-Z, a-z, 0-9 and _+=,.@-.`);
}

/**
 * The caller's own policy. One that is given and does not say anything is refused: it must not come to mean none.
 * @throws QueryError ValidationError, MalformedPolicyDocument
 */
export function sessionPolicyOf(parameters: Parameters): string | undefined {
  const text = parameters.get('Policy');
  if (text === undefined) return undefined;
  if (text.length < 1 || text.length > MAX_SESSION_POLICY_CHARACTERS) {
    throw new QueryError('ValidationError', `Policy has 1 to ${MAX_SESSION_POLICY_CHARACTERS} characters.`);
  }
  try {
    compilePolicy('session', text);
  } catch (cause) {
    if (!(cause instanceof MalformedPolicyDocument)) throw cause;
    throw new QueryError('MalformedPolicyDocument', cause.message, { cause });
  }
  return text;
}

export interface CallerTags {
  readonly callerTags: Readonly<Record<string, string>>;
  /** Of the tag sealgate:MaxUses. */
  readonly maxUses: number | undefined;
}

const OWN = 'sealgate:';
export const MAX_USES = 'sealgate:MaxUses';
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

/** Tags.member.N.Key and .Value. @throws QueryError ValidationError */
export function callerTagsOf(parameters: Parameters): CallerTags {
  const members = new Map<string, { key?: string; value?: string }>();
  for (const [name, text] of parameters) {
    const [, number, part] = /^Tags\.member\.(\d{1,2})\.(Key|Value)$/.exec(name) ?? [];
    if (number === undefined) continue;
    const member = members.get(number) ?? {};
    members.set(number, part === 'Key' ? { ...member, key: text } : { ...member, value: text });
  }
  if (members.size > MAX_SESSION_TAGS) throw invalidTags(`There are at most ${MAX_SESSION_TAGS} tags.`);
  const callerTags: Record<string, string> = {};
  const known = new Set<string>();
  let maxUses: number | undefined;
  for (const { key = '', value = '' } of members.values()) {
    if (!isTag(key, value)) throw invalidTags('A tag has a key of 1 to 128 characters and a value of up to 256.');
    if (known.has(key.toLowerCase())) throw invalidTags('A tag is given twice.');
    known.add(key.toLowerCase());
    if (key === MAX_USES) maxUses = usesOf(value);
    else if (/^(sealgate|aws):/i.test(key)) throw invalidTags(`Of tags of ${OWN} a caller sets ${MAX_USES} alone.`);
    else callerTags[key] = value;
  }
  return { callerTags, maxUses };
}

/** What of that goes into the session. */
export function byCaller({ callerTags, maxUses }: CallerTags): Pick<WantedDetails, 'callerTags' | 'maxUses'> {
  return {
    ...(Object.keys(callerTags).length === 0 ? {} : { callerTags }),
    ...(maxUses === undefined ? {} : { maxUses }),
  };
}

function isTag(key: string, value: string): boolean {
  return key.length >= 1 && key.length <= 128 && value.length <= 256 && TAG_TEXT.test(key) && TAG_TEXT.test(value);
}

/** @throws QueryError ValidationError */
export function usesOf(text: string): number {
  const uses = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : 0;
  if (uses >= 1 && uses <= MAX_SESSION_USES) return uses;
  throw invalidTags(`${MAX_USES} is a number from 1 to ${MAX_SESSION_USES}.`);
}

function invalidTags(message: string): QueryError {
  return new QueryError('ValidationError', message);
}

/** Whether a parameter is one of a list of tags. An empty list is sent as `Tags=`. */
export function isTagParameter(name: string): boolean {
  return name === 'Tags' || /^Tags\.member\.\d{1,2}\.(Key|Value)$/.test(name);
}
