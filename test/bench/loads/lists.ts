/**
 * Listings of many objects of 4 KiB. Warm: the same listing again. Cold: in front of each listing all objects get new ETags
 * and times at the backend, so that nothing that was remembered of them counts, in a process that is warm otherwise.
 */
import { ask } from '../client/ask.ts';
import type { Connection } from '../client/connection.ts';
import { SMALL_BYTES } from '../client/plaintext.ts';
import type { Endpoint } from '../client/signed-request.ts';
import type { Load, Seed } from './load.ts';
import { storeSmall } from './small.ts';

const PAGE = 1000;

const prefixOf = (count: number) => `list-${count}/`;
const keyOf = (count: number, index: number) => `${prefixOf(count)}${String(index).padStart(6, '0')}`;

const objects = (count: number): Seed => ({
  name: `${count} objects to list`,
  store: (endpoint) => storeSmall(endpoint, { count, key: (index) => keyOf(count, index) }),
});

export function list(o: { count: number; cold: boolean; backendDelayMs?: number }): Load {
  const { count, backendDelayMs } = o;
  const heat = o.cold ? 'cold' : 'warm';
  const delayed = backendDelayMs === undefined ? '' : `, backend answers after ${backendDelayMs} ms`;
  return {
    name: `list-${count}-${heat}${backendDelayMs === undefined ? '' : `-${backendDelayMs}ms`}`,
    title: `LIST of ${count.toLocaleString('en')} keys, ${heat}${delayed}`,
    transport: 'http',
    connections: 1,
    measure: 'latency',
    least: count > PAGE ? 1 : 3,
    rows: count,
    seeds: [objects(count)],
    ...(o.cold ? { cold: prefixOf(count) } : {}),
    ...(backendDelayMs === undefined ? {} : { backendDelayMs }),
    operation: (endpoint) => async (connection) => {
      const pages = await listAll(endpoint, count, connection);
      const rows = pages.reduce((sum, page) => sum + countOf(page, '<Key>'), 0);
      if (rows !== count) throw new Error(`LIST: ${rows} rows instead of ${count}`);
      return 0;
    },
    check: (endpoint) => checkListing(endpoint, count),
  };
}

async function listAll(endpoint: Endpoint, count: number, connection?: Connection): Promise<Buffer[]> {
  const pages: Buffer[] = [];
  let token: string | undefined;
  do {
    const query: (readonly [string, string])[] = [
      ['list-type', '2'],
      ['max-keys', String(PAGE)],
      ['prefix', prefixOf(count)],
    ];
    if (token !== undefined) query.push(['continuation-token', token]);
    const request = { method: 'GET', query };
    const { body } = await ask(endpoint, request, connection === undefined ? {} : { connection });
    pages.push(body);
    token = nextToken(body);
  } while (token !== undefined && pages.length <= count / PAGE);
  return pages;
}

/** It stands in front of the rows or behind them. */
function nextToken(page: Buffer): string | undefined {
  const at = page.indexOf('<NextContinuationToken>');
  if (at < 0) return undefined;
  const [, token = ''] = /^<NextContinuationToken>([^<]*)</.exec(page.toString('utf8', at, at + 2048)) ?? [];
  return token.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
}

function countOf(page: Buffer, text: string): number {
  let count = 0;
  for (let at = page.indexOf(text); at >= 0; at = page.indexOf(text, at + text.length)) count += 1;
  return count;
}

/** Every row has the size that was stored, and one of them the ETag that HEAD gives. */
async function checkListing(endpoint: Endpoint, count: number): Promise<void> {
  const pages = await listAll(endpoint, count);
  const sized = pages.reduce((sum, page) => sum + countOf(page, `<Size>${SMALL_BYTES}</Size>`), 0);
  if (sized !== count) throw new Error(`LIST: ${sized} rows of the right size instead of ${count}`);
  const key = keyOf(count, count - 1);
  const head = await ask(endpoint, { method: 'HEAD', key });
  const etag = head.headers.get('etag')?.replaceAll('"', '') ?? '';
  const row = pages
    .map((page) => page.toString())
    .join('')
    .split('<Contents>')
    .find((text) => text.includes(`<Key>${key}<`));
  if (etag === '' || row?.includes(etag) !== true) throw new Error('LIST and HEAD give different ETags');
}
