/**
 * A backend seen through a glass: every request is recorded with what was sent and what was read of the answer, and a test
 * may answer in the store's place, or change what it answers.
 */
import { Transform } from 'node:stream';
import type { Backend, BackendRequest, BackendResponse } from '../../proxy/backend/backend.ts';

export interface WatchedRequest {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes announced to be sent. */
  readonly bodyBytes: number;
  /** 0 until there is an answer. */
  status: number;
  /** Bytes of the answer's body that were handed out. */
  readBytes: number;
}

type Next = (request: BackendRequest) => Promise<BackendResponse>;

export class WatchedBackend implements Backend {
  readonly description: string;
  readonly requests: WatchedRequest[] = [];
  /** Sits between the proxy and the store. */
  intercept: (request: BackendRequest, next: Next) => Promise<BackendResponse> = (request, next) => next(request);
  readonly inner: Backend;
  /** Answers whose body is neither read to its end nor given up: 0 when nothing leaks. */
  openBodies = 0;

  constructor(inner: Backend) {
    this.inner = inner;
    this.description = inner.description;
  }

  async send(request: BackendRequest): Promise<BackendResponse> {
    const record: WatchedRequest = {
      method: request.method,
      bucket: request.bucket ?? '',
      key: request.key ?? '',
      query: Object.fromEntries(request.query ?? []),
      headers: request.headers ?? {},
      bodyBytes: request.body?.length ?? 0,
      status: 0,
      readBytes: 0,
    };
    this.requests.push(record);
    const response = await this.intercept(request, (passed) => this.inner.send(passed));
    record.status = response.status;
    const body = counted(response, record);
    this.openBodies++;
    body.once('close', () => this.openBodies--);
    return { ...response, body };
  }

  /** Requests about a bucket's objects since `mark`. */
  since(mark: number, bucket: string): readonly WatchedRequest[] {
    return this.requests.slice(mark).filter((request) => request.bucket === bucket);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

/** The same stream, its bytes counted as they are taken. */
function counted(response: BackendResponse, record: WatchedRequest): BackendResponse['body'] {
  const counter = new Transform({
    highWaterMark: 64 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      record.readBytes += chunk.length;
      done(null, chunk);
    },
  });
  response.body.on('error', (error) => counter.destroy(error));
  counter.on('close', () => response.body.destroy());
  return response.body.pipe(counter);
}
