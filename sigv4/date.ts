/**
 * The time of a signature: `YYYYMMDD'T'HHMMSS'Z'` in X-Amz-Date, or the HTTP form in a Date header.
 *
 * Source: AWS documentation, "Elements of an AWS API request signature"; RFC 9110 section 5.6.7 (IMF-fixdate).
 */
const BASIC = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/;
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} (?:GMT|UTC|\+0000)$/;

/** The moment named by the basic ISO 8601 form; `undefined` for any other text, 31 February included. */
export function parseBasicDate(text: string): Date | undefined {
  const match = BASIC.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(date.getTime()) || basicDate(date) !== text ? undefined : date;
}

/** A Date header: HTTP's form, or the basic one. */
export function parseDateHeader(text: string): Date | undefined {
  const basic = parseBasicDate(text);
  if (basic !== undefined || !HTTP_DATE.test(text)) return basic;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** The basic ISO 8601 form, as signatures carry it. */
export function basicDate(date: Date): string {
  return date.toISOString().replace(/[-:]|\.\d{3}/g, '');
}
