/**
 * The path of every request, in the order of docs/architecture.md: parse, authenticate, route, authorise, open the body,
 * run the operation, reply. Each stage takes a typed value and returns a narrower one; read this file first.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { writes } from './access/action-table.ts';
import { authenticate, authenticateForm, type Caller } from './access/authenticate.ts';
import { authorise } from './access/authorise.ts';
import { admitAddress, admitCaller } from './access/rates/admit.ts';
import { spendUse } from './access/spend-use.ts';
import { AnswerAudit } from './audit/answered-request.ts';
import { asS3Error } from './backend/as-s3-error.ts';
import { IncomingBody } from './body/incoming.ts';
import { openBody, type VerifiedBody } from './body/verified-body.ts';
import { answerPreflight, crossOriginHeaders } from './cors/cross-origin.ts';
import { S3Error } from './errors.ts';
import { formRequest } from './form/form-request.ts';
import { isFormUpload, readForm, type UploadForm } from './form/read-form.ts';
import { clientAddress } from './http/client-address.ts';
import type { Connection } from './http/connection.ts';
import { lateReply } from './http/late-reply.ts';
import { watchBody, watchReply } from './http/least-rate.ts';
import { cutAfter } from './http/longest-write.ts';
import { ownCutOf } from './http/own-cuts.ts';
import { errorReply, type Reply, sendReply, sendWhole } from './http/reply.ts';
import { parseRequest, type S3Request } from './http/request.ts';
import { createRequestId } from './http/request-id.ts';
import { answerQuery, type QueryAnswer } from './iam/answer.ts';
import { containerCredentials } from './iam/container-credentials.ts';
import type { QueryError } from './iam/errors.ts';
import { queryServiceOf } from './iam/query-request.ts';
import { LATE_REPLY_SILENCE_MS, REQUEST_MEMORY_BYTES } from './limits.ts';
import { admit, type Reservation } from './memory/admission.ts';
import { memoryOf } from './memory/request-memory.ts';
import { storeContext } from './object/context.ts';
import { logFailure } from './observe/log-failure.ts';
import { recordRequest } from './observe/record-request.ts';
import { inScope, newScope, type RequestScope, step } from './observe/request-scope.ts';
import { beginTrace } from './observe/tracing.ts';
import type { Operation } from './operation.ts';
import { accountHeaders, refuseUnsupportedHeaders } from './operations/request/client-headers.ts';
import type { Pipeline } from './pipeline-parts.ts';
import { MAX_LOGGED_CHARACTERS } from './running-limits.ts';

/** What the pipeline knows about a request so far. The log line is made from it, whatever happens to the request. */
interface Progress {
  readonly id: string;
  /** By performance.now(). */
  readonly started: number;
  readonly scope: RequestScope;
  request?: S3Request;
  caller?: Caller;
  operation?: Pick<Operation, 'name'>;
  form?: UploadForm;
  /** What it may buffer. */
  memory?: Reservation;
  /** After the reply began. */
  lateFailure?: unknown;
  /** Refused in another API's words. */
  refused?: QueryError;
}

/** Handles one request. Never rejects: every failure becomes a reply, or a cut connection once a reply has begun. */
export async function handleRequest(
  pipeline: Pipeline,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  o: { expectsContinue: boolean; connection: Connection; refuse?: S3Error | undefined },
): Promise<void> {
  const client = clientAddress(o.connection.client, incoming.rawHeaders, pipeline.isTrustedProxy);
  const progress: Progress = {
    id: createRequestId(),
    started: performance.now(),
    scope: newScope({ client, trace: beginTrace(pipeline.tracing, incoming) }),
  };
  return inScope(progress.scope, () => handle(pipeline, { incoming, outgoing, progress }, o));
}

async function handle(
  pipeline: Pipeline,
  { incoming, outgoing, progress }: Pick<Exchange, 'incoming' | 'outgoing' | 'progress'>,
  o: { expectsContinue: boolean; connection: Connection; refuse?: S3Error | undefined },
): Promise<void> {
  const { scope } = progress;
  const body = new IncomingBody(incoming, outgoing, o);
  watchTransfers(pipeline, { incoming, outgoing, body }, o.connection);
  const signal = abortedWhenGone(outgoing);
  const audit = new AnswerAudit(pipeline.audit, { incoming, body, progress });
  let failure: unknown;
  try {
    if (o.refuse !== undefined) throw o.refuse;
    const { peer } = o.connection;
    const reply = await answer(pipeline, { incoming, outgoing, body, progress, peer, signal, audit });
    const audited = audit.replied(reply);
    if (audited !== undefined) await audited;
    const forPages = await crossOriginHeaders(pipeline.services.cors, progress.request);
    progress.form?.close();
    body.settle();
    const shown = forPages === undefined ? reply : { ...reply, headers: { ...reply.headers, ...forPages } };
    await sendReply(outgoing, shown, { requestId: progress.id, signal, scope });
    // The request now holds only the bytes of its reply that are not sent yet.
    progress.memory?.keep(REQUEST_MEMORY_BYTES + outgoing.writableLength);
  } catch (thrown) {
    const error = await audit.failed(thrown);
    failure = error;
    const forPages = await crossOriginHeaders(pipeline.services.cors, progress.request);
    progress.form?.close();
    body.settle();
    if (!signal.aborted && ownCutOf(outgoing) === undefined) noteFailure(pipeline, progress, error);
    await reportBodySignature(pipeline, progress, error).catch((cause) => noteFailure(pipeline, progress, cause));
    sendFailure(incoming, outgoing, progress, { error: asS3Error(error), headers: forPages });
  }
  const failed = failure ?? progress.lateFailure;
  const refused = progress.refused?.code;
  const code = failed === undefined ? refused : asS3Error(failed).code;
  recordRequest(pipeline, progress, { incoming, outgoing, bytesIn: body.received, code, refused });
}

interface Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly body: IncomingBody;
  readonly progress: Progress;
  /** The other end of the connection. */
  readonly peer: string | undefined;
  readonly signal: AbortSignal;
  readonly audit: AnswerAudit;
}

/** Refuses a body that stalls, and cuts a reply that the client does not read. */
function watchTransfers(
  { leastRates: { bodies, replies } }: Pipeline,
  { incoming, outgoing, body }: Pick<Exchange, 'incoming' | 'outgoing' | 'body'>,
  connection: Connection,
): void {
  watchBody(bodies, incoming, () => body.fail(new S3Error('RequestTimeout')));
  watchReply(replies, outgoing, { sent: () => connection.sent, stop: () => connection.destroy() });
  outgoing.once(
    'close',
    connection.onBroken(() => body.fail(new S3Error('IncompleteBody'))),
  );
}

async function answer(pipeline: Pipeline, exchange: Exchange): Promise<Reply> {
  const { incoming, outgoing, body: incomingBody, progress, peer, signal, audit } = exchange;
  const { services, hostnames } = pipeline;
  const request = parseRequest(incoming, { id: progress.id, hostnames, client: progress.scope.client, peer });
  progress.request = request;
  if (request.method === 'OPTIONS') {
    await admitAddress(pipeline, request);
    return answerPreflight(services.cors, request);
  }
  const { credentialsRole: role } = request;
  if (role !== undefined)
    return note(pipeline, progress, await containerCredentials(pipeline, request, { role, signal }));
  const service = queryServiceOf(request);
  if (service !== undefined) {
    return query(pipeline, request, progress, { service, source: incomingBody.chunks(), signal });
  }

  await admitAddress(pipeline, request);
  const form = await formOf(request, incomingBody);
  if (form !== undefined) progress.form = form;
  const caller = await step('authenticate', () =>
    form === undefined ? authenticate(pipeline, request, signal) : authenticateForm(pipeline, request, form, signal),
  );
  progress.caller = caller;
  await admitCaller(pipeline, caller, request.id);

  const operation = pipeline.router.find(request);
  progress.operation = operation;

  refuseUnsupportedHeaders(request);
  if ((form !== undefined) !== (operation.body === 'form')) throw new S3Error('MalformedPOSTRequest');
  // The fields of a form take the place of headers: they name the object and its metadata.
  const asked = form === undefined ? request : formRequest(request, form);
  const gate = await authorise(pipeline, asked, caller, operation);
  await spendUse(pipeline, caller, { requestId: request.id, signal });

  if (writes(operation.name)) {
    services.publicAcls.checkHeaders(asked);
    cutAfter(outgoing, pipeline.longestWriteMs);
  }
  const body = bodyFor(operation, caller, request, incomingBody);

  const bytes = memoryOf(operation, body?.plainBytes);
  const claim = { tenant: caller.tenant.id, link: linkOf(caller, form), bytes };
  progress.memory = await admit(pipeline.memory, claim, { outgoing, signal });
  const { bucket, key, id: requestId } = asked;
  if (writes(operation.name) && bucket !== undefined && key !== undefined) {
    services.store.recent.forget(caller.tenant.id, { bucket, key });
  }
  const { tenant } = caller;
  const context = storeContext(services.store, { tenant, signal, requestId, accountHeaders: accountHeaders(asked) });
  const work = operation.run({ request: asked, tenant, context, gate, services, bucket, key, body, form });
  return operation.isSlow === true ? late(pipeline, progress, audit.work(work)) : work;
}

/** The signature that many requests may share, because anybody can hold it: of a presigned URL, or of a form. */
function linkOf({ verified }: Caller, form: UploadForm | undefined): string | undefined {
  if (form !== undefined) return form.fields.get('x-amz-signature');
  return verified?.claim.kind === 'presigned' ? verified.claim.signature : undefined;
}

/** Answers a request to IAM or STS. These services have errors of their own: the client gets a reply, and the log a failure. */
async function query(
  pipeline: Pipeline,
  request: S3Request,
  progress: Progress,
  o: Parameters<typeof answerQuery>[2],
): Promise<Reply> {
  return note(pipeline, progress, await answerQuery(pipeline, request, o));
}

function note(pipeline: Pipeline, progress: Progress, { reply, action, caller, failure }: QueryAnswer): Reply {
  if (caller !== undefined) progress.caller = caller;
  if (action !== undefined) progress.operation = { name: action };
  if (failure !== undefined) {
    progress.refused = failure;
    if (failure.status >= 500) noteFailure(pipeline, progress, failure.cause ?? failure);
  }
  return reply;
}

/** A failure after the reply began is logged like any other. The client gets it as an error document. */
function late(pipeline: Pipeline, progress: Progress, work: Promise<Reply>): Promise<Reply> {
  const failed = (error: unknown) => {
    progress.lateFailure = error;
    noteFailure(pipeline, progress, error);
    const resource = progress.request?.path ?? '/';
    return String(errorReply(asS3Error(error), { method: 'POST', resource, requestId: progress.id }).body);
  };
  return lateReply(work, { silenceMs: LATE_REPLY_SILENCE_MS, failed });
}

/** Records that a chunk or the trailer had a bad signature, although the signature of the head was good. */
async function reportBodySignature(
  pipeline: Pipeline,
  { id, caller, request }: Progress,
  error: unknown,
): Promise<void> {
  if (caller === undefined || !(error instanceof S3Error) || error.code !== 'SignatureDoesNotMatch') return;
  const { tenant, accessKey } = caller;
  await pipeline.services.record({
    kind: 'signature-refused',
    detail: `${error.code}: in the body`,
    ...(request === undefined ? {} : { method: request.method, path: request.path.slice(0, MAX_LOGGED_CHARACTERS) }),
    requestId: id,
    tenant: tenant.id,
    accessKey: accessKey.fingerprint,
  });
}

/** A browser's form carries its signature in the body, so its fields are read before the caller is known. */
async function formOf(request: S3Request, incomingBody: IncomingBody): Promise<UploadForm | undefined> {
  if (!isFormUpload(request)) return undefined;
  return readForm(request.header('content-type') ?? '', incomingBody.chunks());
}

function bodyFor(
  operation: Operation,
  caller: Caller,
  request: S3Request,
  incomingBody: IncomingBody,
): VerifiedBody | undefined {
  const { verified } = caller;
  if (operation.body === 'form' || verified === undefined) return undefined;
  // An operation without a body would never verify the chunks.
  const isStream = verified.payload.kind !== 'sha256' && verified.payload.kind !== 'unsigned';
  if (isStream && operation.body !== 'object' && operation.chunked !== true) {
    throw new S3Error('InvalidRequest', 'A streaming payload is not allowed on this operation.');
  }
  if (operation.body !== 'none') {
    const ofObject = (name: string) => operation.objectChecksums === true && OBJECT_CHECKSUM.test(name);
    const header = (name: string) => (ofObject(name) ? undefined : request.header(name));
    return openBody({ source: incomingBody.chunks(), header, verified });
  }
  return undefined;
}

const OBJECT_CHECKSUM = /^x-amz-(checksum-.*|sdk-checksum-algorithm)$/;

function abortedWhenGone(outgoing: ServerResponse): AbortSignal {
  const controller = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) controller.abort(new Error('the client went away'));
  });
  return controller.signal;
}

function noteFailure(pipeline: Pipeline, { id: requestId }: Progress, failure: unknown): void {
  logFailure(pipeline, { requestId, failure, answered: asS3Error(failure) });
}

function sendFailure(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  progress: Progress,
  o: { error: S3Error; headers: Readonly<Record<string, string>> | undefined },
): void {
  if (outgoing.headersSent || outgoing.destroyed) {
    outgoing.destroy();
    return;
  }
  for (const name of outgoing.getHeaderNames()) if (name !== 'connection') outgoing.removeHeader(name);
  // A request target that could not be parsed is shown as the client sent it.
  const resource = progress.request?.path ?? incoming.url?.split('?')[0] ?? '/';
  const reply = errorReply(o.error, { method: incoming.method ?? '', resource, requestId: progress.id });
  const { id: requestId, scope } = progress;
  sendWhole(outgoing, { ...reply, headers: { ...reply.headers, ...o.headers } }, { requestId, scope });
}
