/** HTTP/1.1 replies, one after another on one connection: head, then a body by Content-Length, by chunks, or none. */

export interface ReplyHead {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
}

export interface ReplyEvents {
  /** Each piece of the body with its offset in it. The bytes are valid during the call only. */
  onBody(piece: Buffer, offset: number): void;
  onEnd(head: ReplyHead, bodyBytes: number): void;
}

const EMPTY = Buffer.alloc(0);

export class ReplyParser {
  readonly #events: ReplyEvents;
  #pending: Buffer = EMPTY;
  #head: ReplyHead | undefined;
  #isHead = false;
  /** Bytes until the body, or the chunk with its line end, is over. */
  #left = 0;
  #isChunked = false;
  #isTrailer = false;
  #bytes = 0;

  constructor(events: ReplyEvents) {
    this.#events = events;
  }

  /** Before each request: replies to HEAD have no body. */
  expect(o: { isHead: boolean }): void {
    this.#isHead = o.isHead;
  }

  /** @throws Error for what is no HTTP. */
  push(data: Buffer): void {
    let rest = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data]);
    this.#pending = EMPTY;
    while (rest.length > 0) {
      const taken = this.#step(rest);
      if (taken === 0) {
        this.#pending = Buffer.from(rest);
        return;
      }
      rest = rest.subarray(taken);
    }
  }

  /** @returns bytes understood; 0: more are needed. */
  #step(data: Buffer): number {
    if (this.#head === undefined) return this.#readHead(data);
    if (this.#left > 0) return this.#readBody(data);
    return this.#readChunkLine(data);
  }

  #readHead(data: Buffer): number {
    const end = data.indexOf('\r\n\r\n');
    if (end < 0) return 0;
    const [first = '', ...lines] = data.toString('latin1', 0, end).split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1]);
    if (Number.isNaN(status)) throw new Error('the reply is not HTTP');
    if (status < 200) return end + 4;
    const headers = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(':');
      headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    this.#head = { status, headers };
    this.#bytes = 0;
    this.#isChunked = headers.get('transfer-encoding')?.toLowerCase() === 'chunked';
    const hasBody = !this.#isHead && status !== 204 && status !== 304;
    this.#left = hasBody && !this.#isChunked ? Number(headers.get('content-length') ?? 0) : 0;
    if (!hasBody || (!this.#isChunked && this.#left === 0)) this.#end();
    return end + 4;
  }

  #readBody(data: Buffer): number {
    const taken = Math.min(this.#left, data.length);
    const body = this.#isChunked ? Math.min(taken, Math.max(0, this.#left - 2)) : taken;
    if (body > 0) this.#events.onBody(data.length === body ? data : data.subarray(0, body), this.#bytes);
    this.#bytes += body;
    this.#left -= taken;
    if (this.#left === 0 && !this.#isChunked) this.#end();
    return taken;
  }

  #readChunkLine(data: Buffer): number {
    const end = data.indexOf('\r\n');
    if (end < 0) return 0;
    const line = data.toString('latin1', 0, end);
    if (this.#isTrailer) {
      if (line === '') this.#end();
      return end + 2;
    }
    const size = Number.parseInt(line, 16);
    if (Number.isNaN(size)) throw new Error('a chunk of the reply is not understood');
    if (size === 0) this.#isTrailer = true;
    else this.#left = size + 2;
    return end + 2;
  }

  #end(): void {
    const head = this.#head;
    this.#head = undefined;
    this.#isChunked = false;
    this.#isTrailer = false;
    if (head !== undefined) this.#events.onEnd(head, this.#bytes);
  }
}
