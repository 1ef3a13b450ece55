/** Days as session tokens count them: since 1970, in UTC. */

const DAY_MS = 24 * 60 * 60 * 1000;
/** A token's day is written as 16 bits. */
const LAST_DAY = 0xffff;

export function dayNumber(instant: Date): number {
  const day = Math.floor(instant.getTime() / DAY_MS);
  if (day < 0 || day > LAST_DAY) throw new RangeError('A day from 1970 to 2149');
  return day;
}

/** YYYY-MM-DD. */
export function dayText(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** The beginning of a day, milliseconds since 1970. */
export function dayStart(day: number): number {
  return day * DAY_MS;
}
