// Protects the twin harness itself: two sides that are alike compare as alike, each kind of difference that is planted in one of
// them is found at its place, values that differ by nature are bound, and the printed sequence is the shortest one.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryStore } from '../helpers/bench.ts';
import { GENERAL } from './allowed/general.ts';
import { ALLOWED } from './allowed.ts';
import { type BareServer, serveBare } from './bare-server.ts';
import { CORPUS } from './corpus/all.ts';
import { content, get, head, put, remove } from './corpus/content.ts';
import { Names } from './names.ts';
import { printSequence } from './print.ts';
import type { TwinRequest } from './request.ts';
import { sendWire } from './send.ts';
import { minimal } from './shrink.ts';
import { type Sequence, type Twin, type TwinOptions, twinOf } from './twin.ts';
import { parseXmlTree, textAt } from './xml-tree.ts';

const CREDENTIALS = { accessKeyId: 'any', secretAccessKey: 'any' };
const closers: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const close of closers) await close();
});

async function store(): Promise<BareServer> {
  const { backend, close } = await temporaryStore();
  const server = await serveBare(backend, { checksums: [] });
  closers.push(() => server.close(), close);
  return server;
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** A side that is changed on its way: what a wrong proxy would be. */
async function behind(
  upstream: BareServer,
  change: (answer: Answer, request: IncomingMessage) => void,
): Promise<string> {
  const server = createServer((incoming, outgoing) => void relay(upstream, incoming, outgoing, change));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}`;
}

async function relay(
  upstream: BareServer,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  change: (answer: Answer, request: IncomingMessage) => void,
): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece);
  const method = incoming.method ?? '';
  const headers = Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const body = Buffer.concat(pieces);
  const reply = await sendWire(upstream.endpoint, { method, target: incoming.url ?? '', headers, body });
  const answer = {
    status: reply.status,
    headers: Object.fromEntries(reply.headers),
    body: reply.body.toString('latin1'),
  };
  delete answer.headers['transfer-encoding'];
  change(answer, incoming);
  const changed = Buffer.from(answer.body, 'latin1');
  if (method !== 'HEAD' && answer.status !== 204) answer.headers['content-length'] = String(changed.length);
  outgoing.writeHead(answer.status, answer.headers);
  outgoing.end(changed);
}

let stores: { readonly bare: BareServer; readonly other: BareServer };
beforeAll(async () => {
  stores = { bare: await store(), other: await store() };
});
let twins = 0;

/** The store bare, and another one as `change` makes it look. */
async function twinWith(
  change: (answer: Answer, request: IncomingMessage) => void,
  o: Pick<TwinOptions, 'etags'> = {},
): Promise<Twin> {
  twins += 1;
  const side = (endpoint: string) => ({ endpoint, credentials: CREDENTIALS });
  return twinOf({
    ...o,
    store: 'embedded',
    allowed: GENERAL,
    buckets: `twin-${twins}`,
    bare: side(stores.bare.endpoint),
    proxy: side(await behind(stores.other, change)),
    close: async () => {},
  });
}

const list: TwinRequest = { method: 'GET', query: 'list-type=2' };
const versions: TwinRequest = { method: 'GET', query: 'versions' };
const SEQUENCE: Sequence = {
  name: 'a bit of everything',
  bucket: { versioning: 'Enabled' },
  steps: [
    put('a', 'one', { save: { v: 'header:x-amz-version-id' } }),
    put('a', 'two'),
    put('b', content(70_000)),
    get('a'),
    get('b'),
    head('a'),
    get('a', { query: [['versionId', '{{v}}']] }),
    get('gone'),
    list,
    versions,
    remove('a'),
    versions,
  ],
};

test('two stores that are alike show no difference, and what differs by nature is counted', async () => {
  const alike = await twinWith(() => {});
  const { unexplained, exchanges } = await alike.run(SEQUENCE);
  expect(unexplained).toEqual([]);
  expect(exchanges).toHaveLength(SEQUENCE.steps.length + 2);
  expect(alike.ledger.requests).toBe(exchanges.length);
  expect(alike.ledger.allowed.get('request ids')).toBeGreaterThan(exchanges.length);
  expect(alike.ledger.outcomes.get('GET object 200')).toBe(3);
});

describe('in opaque mode', () => {
  const MD5 = /\b[0-9a-f]{32}\b/g;
  /** Another ETag for each, with a dash. */
  const opaque = (text: string) => text.replace(MD5, (etag) => `${[...etag].toReversed().join('')}-1`);
  const shown = (answer: Answer) => {
    if (answer.headers['etag'] !== undefined) answer.headers['etag'] = opaque(answer.headers['etag']);
    answer.body = opaque(answer.body);
  };
  /** The MD5 that a condition names is known to the proxy's side by the ETag that it told. */
  const conditional = get('b', { headers: [['if-match', '"0cc175b9c0f1b6a831c399e269772661"']] });
  const steps = [put('a', 'a'), put('b', 'b'), head('a'), head('b'), get('a'), list];
  const sequence = { name: 'ETags', steps };

  test('ETags that stand for one another throughout are no difference', async () => {
    expect((await (await twinWith(shown, { etags: 'opaque' })).run(sequence)).unexplained).toEqual([]);
  });

  test.each<[string, (answer: Answer, request: IncomingMessage) => void]>([
    ['that looks like an MD5', (answer) => (answer.headers['etag'] = '"0123456789abcdef0123456789abcdef"')],
    ['that stands for two', (answer) => (answer.headers['etag'] = '"one-1"')],
    ['that is none', (answer) => delete answer.headers['etag']],
  ])('an ETag %s is found', async (_, change) => {
    const twin = await twinWith(
      (answer, request) => (request.method === 'HEAD' ? change(answer, request) : shown(answer)),
      { etags: 'opaque' },
    );
    const { unexplained } = await twin.run(sequence);
    expect(unexplained.map(({ difference }) => difference.at)).toContain('header etag');
  });

  test('a condition goes to the proxy with the ETag that it told, and is compared', async () => {
    const seen: string[] = [];
    const twin = await twinWith(
      (answer, request) => {
        const named = request.headers['if-match'];
        if (named !== undefined) seen.push(String(named));
        shown(answer);
      },
      { etags: 'opaque' },
    );
    await twin.run({ name: 'condition', steps: [put('b', 'a'), conditional] });
    expect(seen).toEqual([opaque('"0cc175b9c0f1b6a831c399e269772661"')]);
  });
});

describe('a planted difference is found', () => {
  const isGet = ({ method, url }: IncomingMessage, pattern: RegExp) => method === 'GET' && pattern.test(url ?? '');
  const LISTING = /list-type/;
  const replaced = (from: string | RegExp, to: string) => (answer: Answer, request: IncomingMessage) => {
    if (isGet(request, LISTING)) answer.body = answer.body.replace(from, to);
  };
  const PLANTED: Readonly<Record<string, (answer: Answer, request: IncomingMessage) => void>> = {
    outcome: (answer, request) => {
      if (isGet(request, /gone/)) answer.body = answer.body.replace('NoSuchKey', 'NoSuchBucket');
    },
    'header etag': (answer, request) => {
      if (request.method === 'HEAD') answer.headers['etag'] = '"0123456789abcdef0123456789abcdef"';
    },
    'header x-new': (answer, request) => {
      if (isGet(request, /\/a$/)) answer.headers['x-new'] = 'x';
    },
    body: (answer, request) => {
      if (isGet(request, /\/a$/)) answer.body = 'twO';
    },
    'xml /ListBucketResult/Contents[2]/Size': replaced('<Size>70000<', '<Size>70001<'),
    'xml /ListBucketResult/KeyCount': replaced(/<KeyCount>\d+<\/KeyCount>/, ''),
    'xml /ListBucketResult/Contents[2]': replaced(/<Contents><Key>b<.*<\/Contents>/, ''),
    'xml-order /ListBucketResult': replaced(/(<Name>.*?<\/Name>)(<Prefix.*?<\/Prefix>|<Prefix\/>)/, '$2$1'),
    'xml-namespace': replaced(/ xmlns="[^"]*"/, ''),
    'xml-declaration': replaced('UTF-8', 'utf-8'),
    'xml /ListVersionsResult/Version|DeleteMarker[2]/VersionId': (answer, request) => {
      // The oldest version under the id of the newest: each is a known id, but not this one's.
      const ids = [...answer.body.matchAll(/<VersionId>([^<]*)</g)].map(([, id = '']) => id);
      if (isGet(request, /versions/))
        answer.body = answer.body.replace(`<VersionId>${ids[1]}<`, `<VersionId>${ids[0]}<`);
    },
  };

  test.each(Object.entries(PLANTED))('%s', async (at, change) => {
    const wrong = await twinWith(change);
    const { unexplained } = await wrong.run(SEQUENCE);
    expect(unexplained.map(({ difference }) => difference.at)).toContain(at);
  });
});

test('the printed sequence is the shortest that still shows the difference', async () => {
  const wrong = await twinWith((answer, { method, url }) => {
    if (method === 'GET' && url?.endsWith('/b')) answer.body = 'other';
  });
  const { unexplained } = await wrong.run(SEQUENCE);
  const [first] = unexplained;
  if (first === undefined) throw new Error('nothing was found');
  const least = await minimal(wrong, SEQUENCE, first);
  expect(least.steps).toEqual([SEQUENCE.steps[2], SEQUENCE.steps[4]]);
  expect(printSequence(least)).toContain('PUT /b | body of 70000 bytes');
});

test('after a write that one side alone takes, the sequence ends', async () => {
  const refusing = await twinWith((answer, { method, url }) => {
    if (method === 'PUT' && url?.endsWith('/b')) answer.status = 500;
  });
  const { unexplained, exchanges } = await refusing.run(SEQUENCE, { toTheEnd: true });
  expect(unexplained.map(({ difference }) => difference.at)).toEqual(['outcome']);
  expect(exchanges).toHaveLength(5);
});

test('the refusal of a large body arrives from a server that closes without reading it', async () => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      // From here on it is closed: what still arrives is answered with a reset, which takes the refusal with it.
      socket.on('data', () => socket.resetAndDestroy());
      setImmediate(() => socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const body = content(5 * 1024 * 1024);
  const headers = [['content-length', String(body.length)]] as const;
  const reply = await sendWire(`http://127.0.0.1:${address.port}`, { method: 'PUT', target: '/b/k', headers, body });
  expect([reply.status, reply.failure]).toEqual([404, undefined]);
});

test('names are bound both ways, once', () => {
  const names = new Names();
  expect(names.same('version', 'b1', 'p1')).toBe(true);
  expect(names.same('version', 'b1', 'p1')).toBe(true);
  expect(names.same('version', 'b1', 'p2')).toBe(false);
  expect(names.same('version', 'b2', 'p1')).toBe(false);
  expect(names.same('upload', 'b1', 'p2')).toBe(true);
  expect(names.same('version', 'null', 'null')).toBe(true);
  expect(names.same('version', 'null', 'p3')).toBe(false);
  expect(names.same('version', '', 'p4')).toBe(false);
});

test('documents are read in order, with CDATA, references and repeated elements', () => {
  const document = parseXmlTree('<?xml version="1.0"?>\n<A x="1"><B>1 &lt; &#x32;</B><C/><B><![CDATA[<D>]]></B></A>');
  expect(document?.root.children.map(({ name, text }) => `${name}=${text}`)).toEqual(['B=1 < 2', 'C=', 'B=<D>']);
  expect([document?.declaration, document?.root.attributes]).toEqual(['<?xml version="1.0"?>', 'x="1"']);
  expect(document === undefined ? '' : textAt(document, 'B[2]')).toBe('<D>');
  for (const wrong of ['', 'text', '<A>', '<A></B>', '<A/><B/>', '<A>x</A>y'])
    expect(parseXmlTree(wrong)).toBeUndefined();
});

test('the corpus has hundreds of sequences under names of their own, and rules have names and reasons', () => {
  expect(CORPUS.length).toBeGreaterThan(500);
  expect(new Set(CORPUS.map(({ name }) => name)).size).toBe(CORPUS.length);
  expect(new Set(ALLOWED.map(({ name }) => name)).size).toBe(ALLOWED.length);
  for (const { name, reason } of ALLOWED) expect([name, reason.length > 20]).toEqual([name, true]);
});
