/** One request and its whole reply, for what is not measured: buckets, seeds, checks. */
import { type Answer, Connection } from './connection.ts';
import { type Endpoint, type RequestToSign, signedHead } from './signed-request.ts';

export interface WholeAnswer extends Answer {
  readonly body: Buffer;
}

/** Sends what is not signed here: `send` may hold a body in any framing. @throws Error for another status than `statuses`. */
export async function ask(
  endpoint: Endpoint,
  request: RequestToSign,
  o: { body?: Buffer; statuses?: readonly number[]; connection?: Connection } = {},
): Promise<WholeAnswer> {
  const connection = o.connection ?? new Connection(endpoint.address);
  const hasBody = request.method === 'PUT' || request.method === 'POST';
  const { head } = signedHead(endpoint, hasBody ? { bytes: o.body?.length ?? 0, ...request } : request);
  const pieces: Buffer[] = [];
  try {
    const answer = await connection.exchange({
      send: o.body === undefined ? [head] : [head, o.body],
      isHead: request.method === 'HEAD',
      onBody: (piece) => pieces.push(Buffer.from(piece)),
    });
    const body = Buffer.concat(pieces);
    expectStatus(answer, o.statuses ?? [200], `${request.method} ${request.key ?? endpoint.bucket}`, body);
    return { ...answer, body };
  } finally {
    if (o.connection === undefined) connection.close();
  }
}

export function expectStatus(answer: Answer, statuses: readonly number[], what: string, body?: Buffer): void {
  if (statuses.includes(answer.status)) return;
  const code = /<Code>([^<]{1,60})<\/Code>/.exec(body?.toString('latin1') ?? '')?.[1] ?? '';
  throw new Error(`${what}: status ${answer.status} ${code}`);
}
