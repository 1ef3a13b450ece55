/**
 * Are conditions looked at? Each is tried where it holds and where it does not, and the object is read afterwards: a store
 * that ignores a condition answers 200, one that half-implements it may answer 412 and store all the same. Writes that
 * depend on a condition for mutual exclusion are also raced. Source: Amazon S3 user guide, "Conditional requests".
 */
import { isRefusal, type ProbeSession } from './session.ts';

/** Requests in a race: enough to lose an update on a store that looks first and writes later. */
const RACERS = 6;
const WRONG_ETAG = '"00000000000000000000000000000000"';

/** PUT with If-None-Match: *. */
export async function honoursPutIfNoneMatch(session: ProbeSession): Promise<boolean> {
  const ifAbsent = { 'if-none-match': '*' };
  await session.put('put-absent', 'old');
  const refused = await session.send({
    method: 'PUT',
    name: 'put-absent',
    headers: ifAbsent,
    body: Buffer.from('new'),
  });
  if (!isRefusal(refused.status) || (await session.content('put-absent')) !== 'old') return false;
  return hasOneWinner(session, 'put-absent-race', ifAbsent);
}

/** PUT with If-Match. */
export async function honoursPutIfMatch(session: ProbeSession): Promise<boolean> {
  const name = 'put-match';
  const put = (on: string, etag: string) =>
    session.send({ method: 'PUT', name: on, headers: { 'if-match': etag }, body: Buffer.from('new') });
  const etag = await session.put(name, 'old');
  if (!isRefusal((await put(name, WRONG_ETAG)).status) || (await session.content(name)) !== 'old') return false;
  if ((await put(name, etag)).status !== 200 || (await session.content(name)) !== 'new') return false;
  if ((await put('put-match-none', etag)).status < 300) return false;
  if ((await session.content('put-match-none')) !== undefined) return false;
  const raced = await session.put('put-match-race', 'old');
  return hasOneWinner(session, 'put-match-race', { 'if-match': raced });
}

async function hasOneWinner(session: ProbeSession, name: string, headers: Record<string, string>): Promise<boolean> {
  const racers = Array.from({ length: RACERS }, (_, racer) => `racer ${racer}`);
  const answers = await Promise.all(
    racers.map((content) => session.send({ method: 'PUT', name, headers, body: Buffer.from(content) })),
  );
  const winners = racers.filter((_, racer) => answers[racer]?.status === 200);
  return winners.length === 1 && (await session.content(name)) === winners[0];
}

/** DELETE with If-Match. */
export async function honoursDeleteIfMatch(session: ProbeSession): Promise<boolean> {
  const name = 'delete-match';
  const remove = (etag: string) => session.send({ method: 'DELETE', name, headers: { 'if-match': etag } });
  const etag = await session.put(name, 'old');
  if (!isRefusal((await remove(WRONG_ETAG)).status) || (await session.content(name)) !== 'old') return false;
  return (await remove(etag)).status < 300 && (await session.content(name)) === undefined;
}

/** CopyObject with x-amz-copy-source-if-match. */
export async function honoursCopySourceIfMatch(session: ProbeSession): Promise<boolean> {
  const etag = await session.put('copy-source', 'old');
  const copy = (on: string, condition: string) =>
    session.send({
      method: 'PUT',
      name: on,
      headers: { 'x-amz-copy-source': session.copySource('copy-source'), 'x-amz-copy-source-if-match': condition },
    });
  if (!isRefusal((await copy('copy-source-refused', WRONG_ETAG)).status)) return false;
  if ((await session.content('copy-source-refused')) !== undefined) return false;
  return (
    (await copy('copy-source-taken', etag)).status === 200 && (await session.content('copy-source-taken')) === 'old'
  );
}

/** CopyObject with If-None-Match: * and If-Match, which speak of the destination. */
export async function honoursCopyDestination(session: ProbeSession): Promise<boolean> {
  const name = 'copy-destination';
  await session.put('copy-from', 'new');
  const etag = await session.put(name, 'old');
  const copy = (condition: Record<string, string>) =>
    session.send({
      method: 'PUT',
      name,
      headers: { 'x-amz-copy-source': session.copySource('copy-from'), ...condition },
    });
  for (const condition of [{ 'if-none-match': '*' }, { 'if-match': WRONG_ETAG }]) {
    if (!isRefusal((await copy(condition)).status) || (await session.content(name)) !== 'old') return false;
  }
  return (await copy({ 'if-match': etag })).status === 200 && (await session.content(name)) === 'new';
}
