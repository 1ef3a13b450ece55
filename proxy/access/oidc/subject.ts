/**
 * Which subjects a role takes: one, or those behind a literal part that ends where a name ends. A bare `*`, or one in the middle
 * of a name, would take subjects that somebody else may choose (repo:org/app-evil for repo:org/app*).
 */

/** The message says what is wrong with the pattern. */
export class InvalidSubject extends Error {
  readonly code = 'INVALID_SUBJECT';
  constructor(message: string) {
    super(message);
    this.name = 'InvalidSubject';
  }
}

/** @throws InvalidSubject */
export function checkSubjectPattern(pattern: string): void {
  if (pattern === '' || pattern.length > 512) throw new InvalidSubject('A subject has 1 to 512 characters.');
  const star = pattern.indexOf('*');
  if (star < 0) return;
  if (star !== pattern.length - 1 || !/[:/]\*$/.test(pattern)) {
    throw new InvalidSubject('A subject may end in "*" behind ":" or "/", and has no "*" elsewhere.');
  }
}

/** `pattern`: checked. */
export function subjectMatches(pattern: string, subject: string): boolean {
  return pattern.endsWith('*') ? subject.startsWith(pattern.slice(0, -1)) : subject === pattern;
}
