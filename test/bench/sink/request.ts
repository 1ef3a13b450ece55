/** An S3 request as the sink reads it: just enough of the path, the query and the headers to answer it. */

export interface SinkRequest {
  readonly method: string;
  /** '' for a request on the service. */
  readonly bucket: string;
  /** Decoded; '' for a request on the bucket. */
  readonly key: string;
  /** Decoded; a parameter without a value has the value ''. */
  readonly query: ReadonlyMap<string, string>;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
}

/** @param head everything up to the blank line, one character for each byte. @throws Error for what is no request. */
export function parseRequest(head: string): SinkRequest {
  const lines = head.split('\r\n');
  const [method = '', target = '', version] = (lines[0] ?? '').split(' ');
  if (version !== 'HTTP/1.1' || !target.startsWith('/')) throw new Error('the request line is not understood');
  const headers = new Map<string, string>();
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const slash = path.indexOf('/', 1);
  const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
  const key = slash < 0 ? '' : decode(path.slice(slash + 1));
  return { method, bucket: decode(bucket), key, query: parseQuery(mark < 0 ? '' : target.slice(mark + 1)), headers };
}

const NO_QUERY: ReadonlyMap<string, string> = new Map();

function parseQuery(text: string): ReadonlyMap<string, string> {
  if (text === '') return NO_QUERY;
  const query = new Map<string, string>();
  for (const pair of text.split('&')) {
    const equals = pair.indexOf('=');
    if (equals < 0) query.set(decode(pair), '');
    else query.set(decode(pair.slice(0, equals)), decode(pair.slice(equals + 1)));
  }
  return query;
}

function decode(text: string): string {
  return text.includes('%') ? decodeURIComponent(text) : text;
}
