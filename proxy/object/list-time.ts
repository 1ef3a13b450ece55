/**
 * Times as listings write them, `2026-01-31T23:59:59.000Z`. `Date.toISOString` costs more than the rest of a row; the day of one row
 * is mostly that of the row before.
 */
const DAY_MS = 86_400_000;
const TWO = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));

/** Writes one time after the other. A listing has one of its own. */
export function timeWriter(): (time: Date) => string {
  let known = Number.NaN;
  let date = '';
  return (time) => {
    const ms = time.getTime();
    const day = Math.floor(ms / DAY_MS);
    if (day !== known) {
      known = day;
      date = time.toISOString().slice(0, -'00:00:00.000Z'.length);
    }
    const rest = ms - day * DAY_MS;
    const seconds = Math.floor(rest / 1000);
    const minutes = Math.floor(seconds / 60);
    const fraction = String(rest - seconds * 1000).padStart(3, '0');
    return `${date}${TWO[Math.floor(minutes / 60)]}:${TWO[minutes % 60]}:${TWO[seconds % 60]}.${fraction}Z`;
  };
}
