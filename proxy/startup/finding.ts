/**
 * What was found before a server starts, one line each. `sealgate check` prints the findings, and `serve` logs the same words. With
 * a fault, `serve` does not start.
 */

export interface Finding {
  readonly level: 'ok' | 'warning' | 'fault';
  /** What was checked: the name of a setting, or a word such as `store`. */
  readonly subject: string;
  readonly text: string;
  /** What to do about it. */
  readonly todo?: string;
}

/** Whom findings are told, as they come. */
export type Tell = (finding: Finding) => void;

/** A fault ends the start. */
export class StartRefused extends Error {
  readonly code = 'START_REFUSED';
  readonly finding: Finding;
  constructor(finding: Finding) {
    super(`${finding.subject}: ${inWords(finding)}`);
    this.name = 'StartRefused';
    this.finding = finding;
  }
}

/** `What is wrong. What to do.` */
export function inWords({ text, todo }: Finding): string {
  return todo === undefined ? `${text}.` : `${text}. ${todo}.`;
}

export function ok(subject: string, text: string): Finding {
  return { level: 'ok', subject, text };
}

export function warning(subject: string, text: string, todo: string): Finding {
  return { level: 'warning', subject, text, todo };
}

export function fault(subject: string, text: string, todo: string): Finding {
  return { level: 'fault', subject, text, todo };
}
