/** Answers to feed to three HTTP clients: well-formed ones, and ones that are wrong in one or several places. */
import fc from 'fast-check';
import type { Method, ThreeClients, Verdict, Verdicts } from './three-clients.ts';

export interface Answered {
  readonly method: Method;
  readonly pieces: readonly Buffer[];
}

const STATUS_LINES = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 206 Partial Content',
  'HTTP/1.1 404 Not Found',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.1 200',
  'HTTP/1.1 200 ',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 101 Switching Protocols',
  'HTTP/1.1 099 X',
  'HTTP/1.1 1000 X',
  'HTTP/1.1 20 X',
  'HTTP/2.0 200 OK',
  'HTTP/1.2 200 OK',
  'http/1.1 200 OK',
  'HTTP/1.1  200 OK',
  'HTTP/1.1\t200 OK',
  ' HTTP/1.1 200 OK',
  'HTTP/1.1 200 caf\u00e9',
  'HTTP/1.1 200 O\u0000K',
  'HTTP/1.1 200 O\u007fK',
  'ICY 200 OK',
  '',
];

const HEADERS = [
  'ETag: "e"',
  'x-amz-meta-a: 1',
  'X-Amz-Meta-A: 2',
  'x-amz-meta-b:',
  'x-amz-meta-c:\t padded \t',
  'x-amz-meta-d: caf\u00e9',
  'Connection: close',
  'Connection: keep-alive',
  'Connection: upgrade',
  'Upgrade: websocket',
  'Keep-Alive: timeout=5',
  'Content-Length: 5',
  'Content-Length: 05',
  'Content-Length: +5',
  'Content-Length: 5, 5',
  'Content-Length: 5,6',
  'Content-Length: 0x5',
  'Content-Length: -5',
  'Content-Length:',
  'Content-Length: 99999999999999999999',
  'Content-Length : 5',
  'content-length: 4',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: Chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, gzip',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\u000bchunked',
  'Trailer: x-amz-checksum-crc32',
  ' folded',
  '\tfolded',
  ': no name',
  'no colon',
  'a b: c',
  'a\u00e9: c',
  'a: b\u0000c',
  'a: b\u0001c',
  'a: b\rc',
  'a: b\nc: d',
  '__proto__: p',
];

const BODIES = [
  'hello',
  '',
  'hell',
  'hello, and more',
  '5\r\nhello\r\n0\r\n\r\n',
  '5\r\nhello\r\n0\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\n',
  '5;ext=1\r\nhello\r\n0\r\n\r\n',
  '5 ;ext="a;b"\r\nhello\r\n0\r\n\r\n',
  '5;ext="a;b"\r\nhello\r\n0\r\n\r\n',
  '5 \r\nhello\r\n0\r\n\r\n',
  '05\r\nhello\r\n00\r\n\r\n',
  '5\nhello\n0\n\n',
  '5\r\nhello0\r\n\r\n',
  '5\r\nhello\r\n',
  '5\r\nhello\r\n0\r\n',
  '6\r\nhello\r\n0\r\n\r\n',
  '0x5\r\nhello\r\n0\r\n\r\n',
  '-5\r\nhello\r\n0\r\n\r\n',
  ' 5\r\nhello\r\n0\r\n\r\n',
  '5\r\nhello\r\n0\r\nbad trailer\r\n\r\n',
  '5\r\nhello\r\n0\r\n: bad\r\n\r\n',
  '5;\u0000\r\nhello\r\n0\r\n\r\n',
  'fffffffffffffffff\r\nhello\r\n0\r\n\r\n',
  '2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged',
];

const INTERIM = ['', '', '', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n', '\r\n'];

/** Where lines end as they must, and seldom as they must not. */
const ENDS = ['\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n', ' \r\n'];

export function answers(): fc.Arbitrary<Answered> {
  return fc
    .record({
      method: fc.constantFrom<Method>('GET', 'GET', 'GET', 'HEAD'),
      interim: fc.constantFrom(...INTERIM),
      status: fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom(...STATUS_LINES.slice(0, 5)) },
        fc.constantFrom(...STATUS_LINES),
      ),
      headers: fc.array(fc.constantFrom(...HEADERS), { maxLength: 4 }),
      ends: fc.array(fc.constantFrom(...ENDS), { minLength: 6, maxLength: 6 }),
      body: fc.constantFrom(...BODIES),
      /** One byte of the whole replaced, inserted or left out. */
      hit: fc.option(
        fc.record({
          at: fc.nat(400),
          kind: fc.constantFrom('replace', 'insert', 'remove'),
          byte: fc.constantFrom(0, 9, 10, 11, 13, 32, 34, 44, 48, 58, 59, 97, 127, 128, 255),
        }),
        { freq: 3 },
      ),
      cuts: fc.array(fc.nat(400), { maxLength: 4 }),
    })
    .map(({ method, interim, status, headers, ends, body, hit, cuts }) => {
      const head = [status, ...headers].map((line, index) => `${line}${ends[index] ?? '\r\n'}`).join('');
      const whole = Buffer.from(`${interim}${head}${ends[5] ?? '\r\n'}${body}`, 'latin1');
      return { method, pieces: cut(hit === null ? whole : changed(whole, hit), cuts) };
    });
}

function changed(bytes: Buffer, { at, kind, byte }: { at: number; kind: string; byte: number }): Buffer {
  const place = at % Math.max(1, bytes.length);
  const after = kind === 'insert' ? place : place + 1;
  const middle = kind === 'remove' ? Buffer.alloc(0) : Buffer.of(byte);
  return Buffer.concat([bytes.subarray(0, place), middle, bytes.subarray(after)]);
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const bounds = [...new Set([0, ...cuts.map((at) => at % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return bounds.slice(1).map((end, index) => bytes.subarray(bounds[index], end));
}

/** What ours took and another one did not take, or took for something else. */
function disagreements({ ours, node, undici }: Verdicts): string[] {
  if (ours === 'refused') return [];
  return Object.entries({ node, undici }).flatMap(([name, theirs]) =>
    differences(ours, theirs).map((one) => `${name}: ${one}`),
  );
}

/**
 * Refusals of others that say nothing of the response itself. undici takes no 100 Continue that it did not ask for, and no length
 * with white space behind it, which RFC 9110 allows (section 5.5) and Node takes. And both may refuse a response for the bytes behind
 * it, where ours drops them with the connection: without them they must take it.
 */
async function isExcused(clients: ThreeClients, { method, pieces }: Answered, verdicts: Verdicts): Promise<boolean> {
  const whole = Buffer.concat(pieces);
  const { ours } = verdicts;
  const isUndicis = /^HTTP\/1\.1 100|^content-length:[^\r\n]*[ \t]\r/im.test(whole.toString('latin1'));
  const agree = ({ node, undici }: Verdicts) => {
    const judged = undici === 'refused' && isUndicis ? ours : undici;
    return disagreements({ ours, node, undici: judged }).length === 0;
  };
  if (agree(verdicts)) return true;
  if (verdicts.node !== 'refused' && verdicts.undici !== 'refused') return false;
  for (let end = whole.length - 1; end > 0; end -= 1) {
    if (agree(await clients.read(method, [whole.subarray(0, end)]))) return true;
  }
  return false;
}

function differences(ours: Exclude<Verdict, 'refused'>, theirs: Verdict): string[] {
  if (theirs === 'refused') return ['refused'];
  const found: string[] = [];
  if (ours.status !== theirs.status) found.push(`status ${theirs.status}, not ${ours.status}`);
  if (ours.body !== theirs.body) found.push(`body ${theirs.body}, not ${ours.body}`);
  const names = new Set([...Object.keys(ours.headers), ...Object.keys(theirs.headers)]);
  for (const name of names) {
    if (ours.headers[name] !== theirs.headers[name]) {
      found.push(`${name} is ${JSON.stringify(theirs.headers[name])}, not ${JSON.stringify(ours.headers[name])}`);
    }
  }
  return found;
}

export interface Tally {
  answers: number;
  taken: number;
  stricter: number;
  readonly disagreements: string[];
}

export async function runDifferential(clients: ThreeClients, o: { runs: number; seed: number }): Promise<Tally> {
  const tally: Tally = { answers: 0, taken: 0, stricter: 0, disagreements: [] };
  const samples = fc.sample(answers(), { numRuns: o.runs, seed: o.seed });
  for (const { method, pieces } of samples) {
    const verdicts = await clients.read(method, pieces);
    tally.answers += 1;
    if (verdicts.ours !== 'refused') tally.taken += 1;
    else if (verdicts.node !== 'refused' && verdicts.undici !== 'refused') tally.stricter += 1;
    const found = disagreements(verdicts);
    if (found.length === 0 || (await isExcused(clients, { method, pieces }, verdicts))) continue;
    const text = JSON.stringify(Buffer.concat(pieces).toString('latin1'));
    tally.disagreements.push(...found.map((one) => `${method} ${text}: ${one}`));
  }
  return tally;
}
