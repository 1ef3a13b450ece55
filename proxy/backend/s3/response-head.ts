/**
 * Reads the head of a response strictly, as RFC 9112 has it: what two readers could take for two things is refused, so that
 * a kept connection never gives one request the answer to another.
 */
import { Buffer } from 'node:buffer';

export interface ResponseHead {
  readonly status: number;
  /** Lower-case names, values as byte strings; repeated ones are joined with ', '. */
  readonly headers: Readonly<Record<string, string>>;
  /** HTTP/1.1, and neither side asked for the connection to be closed. */
  readonly keepsAlive: boolean;
}

/** Not HTTP/1.1, or ambiguous. The connection is of no further use. */
export class MalformedResponse extends Error {
  readonly code: 'MALFORMED_RESPONSE' | 'TLS_ANSWER';

  constructor(message: string, code: MalformedResponse['code'] = 'MALFORMED_RESPONSE') {
    super(message);
    this.code = code;
  }
}

/** HTTP/1.0 has no interim responses. */
const STATUS_LINE = /^HTTP\/1\.(?!0 1)([01]) ([1-9][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: those are what it looks for
const NOT_IN_VALUE = /[\u0000-\u0008\u000a-\u001f\u007f]/;
/** The line end of the last header, and the empty line. */
export const HEAD_END = Buffer.from('\r\n\r\n');

/** Where the head ends that begins at 0, its empty line included; -1 while it is not whole. */
export function headLength(bytes: Buffer): number {
  const end = bytes.indexOf(HEAD_END);
  return end < 0 ? -1 : end + HEAD_END.length;
}

/**
 * Looks at the beginning of a head for what no further bytes can mend, so that a store which speaks something else fails at
 * once and not by a timeout.
 * @param from what the call before returned for fewer of these bytes, 0 at first
 * @returns where the last line begins, which is not whole
 * @throws MalformedResponse
 */
export function checkBegunHead(bytes: Buffer, from: number): number {
  if (isTls(bytes)) throw new MalformedResponse('it speaks TLS', 'TLS_ANSWER');
  let start = from;
  for (let end = bytes.indexOf(LF, start); end >= 0; end = bytes.indexOf(LF, start)) {
    if (end === start || bytes[end - 1] !== CR) throw malformedLine(start);
    checkLine(bytes.toString('latin1', start, end - 1), start);
    start = end + 1;
  }
  const line = bytes.toString('latin1', start);
  if (line.endsWith('\r')) {
    if (line !== '\r' || start === 0) checkLine(line.slice(0, -1), start);
  } else if (start > 0 ? !BEGUN_HEADER.test(line) : !isBegunStatus(line)) throw malformedLine(start);
  return start;
}

const CR = 0x0d;
const LF = 0x0a;
const BEGUN_HEADER = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?::[\t\x20-\x7e\x80-\xff]*)?)?$/;
const SHORTEST_STATUS = 'HTTP/1.1 200 ';

function isBegunStatus(line: string): boolean {
  return STATUS_LINE.test(line + SHORTEST_STATUS.slice(line.length));
}

/** An alert, or a handshake. */
function isTls(bytes: Buffer): boolean {
  return (bytes[0] === 0x15 || bytes[0] === 0x16) && (bytes.length < 2 || bytes[1] === 0x03);
}

function checkLine(line: string, start: number): void {
  if (start > 0) addLine({}, line);
  else if (!STATUS_LINE.test(line)) throw malformedLine(start);
}

function malformedLine(start: number): MalformedResponse {
  return new MalformedResponse(start === 0 ? 'the answer is not HTTP/1.1' : 'the answer has a malformed header');
}

/** A header line of a trailer. @throws MalformedResponse */
export function checkTrailerLine(line: string): void {
  addLine({}, line);
}

/** @param text a whole head without its empty line, one character a byte. @throws MalformedResponse */
export function parseHead(text: string): ResponseHead {
  const lines = text.split('\r\n');
  const status = STATUS_LINE.exec(lines[0] ?? '');
  if (status === null) throw new MalformedResponse('the answer is not HTTP/1.1');
  const headers: Record<string, string> = Object.create(null);
  for (let i = 1; i < lines.length; i++) addLine(headers, lines[i] ?? '');
  const closes = status[1] === '0' || /(^|,)\s*close\s*(,|$)/i.test(headers['connection'] ?? '');
  return { status: Number(status[2]), headers, keepsAlive: !closes };
}

function addLine(headers: Record<string, string>, line: string): void {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon < 0 ? 0 : colon);
  const value = trimmed(line, colon + 1);
  if (!TOKEN.test(name) || NOT_IN_VALUE.test(value)) throw new MalformedResponse('the answer has a malformed header');
  const lower = name.toLowerCase();
  const before = headers[lower];
  headers[lower] = before === undefined ? value : `${before}, ${value}`;
}

/** Without spaces and tabs around it. */
function trimmed(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) start++;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
