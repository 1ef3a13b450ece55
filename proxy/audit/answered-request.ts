/**
 * Tells the audit what a request came to: once, before the client is told. A strict audit is waited for; one that cannot be written
 * makes the answer an error.
 */
import type { IncomingMessage } from 'node:http';
import type { Caller } from '../access/authenticate.ts';
import { asS3Error } from '../backend/as-s3-error.ts';
import type { Reply } from '../http/reply.ts';
import type { S3Request } from '../http/request.ts';
import { requestFields } from '../observe/request-fields.ts';
import type { RequestScope } from '../observe/request-scope.ts';
import type { AuditLog } from './audit-log.ts';
import type { AnsweredRequest, SessionIdentity } from './cloudtrail.ts';

/** What is known of a request, more of it as it goes on. */
interface Exchange {
  readonly incoming: IncomingMessage;
  readonly body: { readonly received: number };
  readonly progress: {
    readonly scope: RequestScope;
    /** By performance.now(). */
    readonly started: number;
    readonly request?: S3Request;
    readonly caller?: Caller;
    /** In another API's words. */
    readonly refused?: { readonly code: string };
  };
}

export class AnswerAudit {
  readonly #audit: AuditLog | undefined;
  readonly #exchange: Exchange;

  constructor(audit: AuditLog | undefined, exchange: Exchange) {
    this.#audit = audit;
    this.#exchange = exchange;
  }

  /** Undefined where nobody has to wait. @throws S3Error SlowDown: the audit is strict and cannot be written */
  replied(reply: Reply): Promise<void> | undefined {
    return this.#audit?.answered(this.#exchange.progress.scope, () =>
      describe(this.#exchange, { reply, code: this.#exchange.progress.refused?.code }),
    );
  }

  /** The error to answer with: that the events of the refusal cannot be written, where that is so. */
  async failed(error: unknown): Promise<unknown> {
    const told = () => describe(this.#exchange, { reply: undefined, code: asS3Error(error).code });
    try {
      await this.#audit?.answered(this.#exchange.progress.scope, told);
      return error;
    } catch (unwritten) {
      return unwritten;
    }
  }

  /** For a reply that may begin before its result is known: the result is said when its events are noted. */
  async work(work: Promise<Reply>): Promise<Reply> {
    try {
      const reply = await work;
      await this.replied(reply);
      return reply;
    } catch (error) {
      throw await this.failed(error);
    }
  }
}

function describe(
  { incoming, body, progress }: Exchange,
  { reply, code }: { reply: Reply | undefined; code: string | undefined },
): AnsweredRequest {
  const { request, caller, started } = progress;
  const { client, agent, host, versionId, tls, cipher, authentication } = requestFields(
    incoming,
    request,
    progress.scope.client,
  );
  const bytesOut = incoming.method === 'HEAD' || reply === undefined ? 0 : lengthOf(reply);
  const durationMs = Math.round(1000 * (performance.now() - started)) / 1000;
  const facts = { client, agent, host, versionId, tls, cipher, authentication };
  return { ...facts, session: sessionOf(caller), bytesIn: body.received, bytesOut, code, durationMs };
}

/** Without its token, and of a role its name alone. */
function sessionOf(caller: Caller | undefined): SessionIdentity | undefined {
  if (caller?.accessKey.kind !== 'session') return undefined;
  const { fingerprint: id, details } = caller.accessKey;
  return { id, name: details.name, role: details.role, issuer: details.issuer, subject: details.subject };
}

function lengthOf({ body }: Reply): number {
  if (body === undefined) return 0;
  if (typeof body === 'string') return Buffer.byteLength(body);
  if ('chunks' in body) return body.length ?? 0;
  return Buffer.isBuffer(body) ? body.length : body.reduce((sum, piece) => sum + piece.length, 0);
}
