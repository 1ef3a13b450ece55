/**
 * GetObject. A plain GET is one backend request: the reply's metadata says how its body opens. With a range, a part number or
 * conditions the object is inspected first, since which stored bytes are wanted depends on its sealed sizes.
 */
import type { BackendResponse } from '../backend/backend.ts';
import { discard } from '../backend/read-body.ts';
import type { S3Error } from '../errors.ts';
import type { Reply } from '../http/reply.ts';
import { checkRead, type ReadConditions } from '../object/conditions.ts';
import type { StoreContext } from '../object/context.ts';
import { awaitingReader } from '../object/from-store.ts';
import { inspectObject } from '../object/inspect-object.ts';
import { namingTheMissing } from '../object/missing.ts';
import { factsOf, failureOf, versionQuery } from '../object/object-request.ts';
import type { ByteRange } from '../object/range.ts';
import { readKnown } from '../object/read-known.ts';
import { openPlan, type Plaintext, partsOf } from '../object/read-object.ts';
import { planRead } from '../object/read-plan.ts';
import { seemsSmall } from '../object/read-small.ts';
import { readChecked, refuseReplacement } from '../object/replacement-check.ts';
import { type HeaderOverrides, objectHeaders, readValidators } from '../object/reply-headers.ts';
import { retryWhenChanged } from '../object/retry-when-changed.ts';
import type { WantedBytes } from '../object/selection.ts';
import { type Selection, selectBytes } from '../object/selection.ts';
import type { ObjectAddress, StoredObject } from '../object/stored-object.ts';
import { understand } from '../object/understand.ts';
import { type Call, type Operation, objectOf } from '../operation.ts';
import { readConditions } from './request/conditions.ts';
import { RESPONSE_OVERRIDES, responseOverrides } from './request/response-overrides.ts';
import { wantedBytes, wantsChecksums } from './request/selection.ts';

export const getObject: Operation = {
  name: 'GetObject',
  selector: { method: 'GET', level: 'object' },
  parameters: ['versionId', 'partNumber', ...Object.keys(RESPONSE_OVERRIDES)],
  body: 'none',
  memory: 'stream',
  async run(call) {
    const { request } = call;
    const asked = {
      address: { ...objectOf(call), versionId: request.query.get('versionId') },
      // Before anything is fetched: what they hold may be refused.
      overrides: responseOverrides(request),
      conditions: readConditions(request),
      checksums: wantsChecksums(request),
      bytes: wantedBytes(request),
    };
    const isSelective =
      asked.conditions !== undefined || request.header('range') !== undefined || request.query.has('partNumber');
    return retryWhenChanged(() => (isSelective ? getSelected(call, asked) : getWhole(call.context, asked)));
  },
};

/** What is wanted beside the bytes. */
interface Asked {
  readonly address: ObjectAddress;
  readonly overrides: HeaderOverrides;
  readonly conditions: ReadConditions | undefined;
  readonly checksums: boolean;
  readonly bytes: WantedBytes;
}

async function getWhole(context: StoreContext, asked: Asked): Promise<Reply> {
  const { address } = asked;
  const { bucket, key } = address;
  const response = await context.store.backend.send({
    method: 'GET',
    bucket,
    key,
    query: versionQuery(address),
    headers: context.accountHeaders,
    lends: seemsSmall,
    signal: context.signal,
  });
  if (response.status !== 200) throw await getFailure(address, response);
  // Its footer may have to be fetched before the body is read.
  awaitingReader(response.body);
  try {
    const object = await understand(context, address, factsOf(response.headers));
    return reply(object, asked, { kind: 'whole' }, await openWhole(context, object, response));
  } catch (error) {
    discard(response);
    throw error;
  }
}

async function openWhole(context: StoreContext, object: StoredObject, response: BackendResponse): Promise<Plaintext> {
  if (object.kind === 'legacy') return refuseReplacement(context, object, response.body);
  const plan = planRead(await partsOf(context, object), { start: 0, end: object.size });
  return openPlan(context, object, plan, response);
}

async function getSelected(call: Call, asked: Asked): Promise<Reply> {
  const { context } = call;
  const { address } = asked;
  const known = await readKnown(context, address, async (object) => {
    const selection = await select(call, object, asked);
    return { selection, range: rangeOf(selection, object) };
  });
  if (known !== undefined) return reply(known.object, asked, known.selected.selection, known.plaintext);
  const object = await namingTheMissing(context, address, inspectObject(context, address));
  const selection = await select(call, object, asked);
  return reply(object, asked, selection, await readChecked(context, object, rangeOf(selection, object)));
}

/** @throws S3Error PreconditionFailed, NotModified, InvalidRange, InvalidPartNumber, ... */
async function select(call: Call, object: StoredObject, { conditions, overrides, bytes }: Asked): Promise<Selection> {
  if (conditions !== undefined) checkRead(conditions, readValidators(object, overrides));
  return selectBytes(call.context, object, bytes);
}

function rangeOf(selection: Selection, object: StoredObject): ByteRange {
  return selection.kind === 'whole' ? { start: 0, end: object.size } : selection.range;
}

function reply(object: StoredObject, asked: Asked, selection: Selection, plaintext: Plaintext): Reply {
  const { overrides } = asked;
  const headers = objectHeaders(object, { checksums: asked.checksums && selection.kind === 'whole', overrides });
  const length = selection.kind === 'whole' ? object.size : selection.range.end - selection.range.start;
  return {
    status: selection.kind === 'whole' ? 200 : 206,
    headers: { ...headers, ...selection.headers },
    body: Symbol.asyncIterator in plaintext ? { length, chunks: plaintext } : plaintext,
  };
}

/** A GET's failure. A delete marker's headers go along, as S3 sends them. */
async function getFailure(address: ObjectAddress, response: Parameters<typeof failureOf>[0]): Promise<S3Error> {
  const failure = await failureOf(response, { operation: 'GetObject', ...address });
  const headers: Record<string, string> = {};
  for (const name of ['x-amz-delete-marker', 'x-amz-version-id', 'last-modified', 'allow']) {
    const value = response.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  return failure.with({ headers });
}
