/**
 * The time of a signature: `YYYYMMDD'T'HHMMSS'Z'` in X-Amz-Date, or the HTTP form in a Date header.
 *
 * Source: AWS documentation, "Elements of an AWS API request signature"; RFC 9110 section 5.6.7 (IMF-fixdate).
 */
const BASIC = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} (?:GMT|UTC|\+0000)$/;

/** Requests that come together name the same second: it is read, and written, once. */
let read: { readonly text: string; readonly time: number } | undefined;
let written: { readonly second: number; readonly text: string } | undefined;

/** The moment named by the basic ISO 8601 form; `undefined` for any other text, 31 February included. */
export function parseBasicDate(text: string): Date | undefined {
  if (read?.text === text) return new Date(read.time);
  const match = BASIC.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(date.getTime()) || basicDate(date) !== text) return undefined;
  read = { text, time: date.getTime() };
  return date;
}

/** A Date header: HTTP's form, or the basic one. */
export function parseDateHeader(text: string): Date | undefined {
  const basic = parseBasicDate(text);
  if (basic !== undefined || !HTTP_DATE.test(text)) return basic;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** The basic ISO 8601 form, as signatures carry it. @throws RangeError for an invalid date */
export function basicDate(date: Date): string {
  const second = Math.floor(date.getTime() / 1000);
  if (written?.second === second) return written.text;
  const text = date.toISOString().replace(/[-:]|\.\d{3}/g, '');
  written = { second, text };
  return text;
}
