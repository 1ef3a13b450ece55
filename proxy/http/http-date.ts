/**
 * Dates of conditional headers (RFC 9110 section 5.6.7). The parser of JavaScript accepts many texts that are no HTTP date. A
 * condition with such a text must be ignored.
 */
const FORMS = [
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d{2}-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/,
];

/** Milliseconds since 1970; NaN for what is no HTTP date. The last form names no zone: it is in GMT. */
export function parseHttpDate(text: string): number {
  const date = text.trim();
  if (!FORMS.some((form) => form.test(date))) return Number.NaN;
  return Date.parse(date.endsWith('GMT') ? date : `${date} GMT`);
}
