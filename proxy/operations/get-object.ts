/**
 * GetObject. A plain GET is one backend request: the reply's metadata says how its body opens. With a range, a part number or
 * conditions the object is inspected first, since which stored bytes are wanted depends on its sealed sizes.
 */
import type { BackendResponse } from '../backend/backend.ts';
import { discard } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import type { Reply } from '../http/reply.ts';
import { accountHeaders } from '../object/client-headers.ts';
import { checkRead, readConditions } from '../object/conditions.ts';
import { readUndisguised, refuseDisguised } from '../object/disguise.ts';
import { awaitingReader } from '../object/from-store.ts';
import { namingTheMissing } from '../object/missing.ts';
import type { ByteRange } from '../object/range.ts';
import { readKnown } from '../object/read-known.ts';
import { openPlan, type Plaintext, partsOf } from '../object/read-object.ts';
import { planRead } from '../object/read-plan.ts';
import { seemsSmall } from '../object/read-small.ts';
import { objectHeaders, RESPONSE_OVERRIDES, readValidators, responseOverrides } from '../object/reply-headers.ts';
import { type Selection, selectBytes, wantsChecksums } from '../object/selection.ts';
import {
  factsOf,
  failureOf,
  inspectObject,
  type ObjectAddress,
  retryWhenChanged,
  type StoredObject,
  understand,
  versionQuery,
} from '../object/stored-object.ts';
import { type Call, type Operation, objectOf } from '../operation.ts';

export const getObject: Operation = {
  name: 'GetObject',
  selector: { method: 'GET', level: 'object' },
  parameters: ['versionId', 'partNumber', ...Object.keys(RESPONSE_OVERRIDES)],
  access: 'read',
  body: 'none',
  async run(call) {
    const { request } = call;
    // Before anything is fetched: what they hold may be refused.
    responseOverrides(request);
    const address = { ...objectOf(call), versionId: request.query.get('versionId') };
    const selective = request.header('range') !== undefined || request.query.has('partNumber');
    if (selective || readConditions(request) !== undefined) return retryWhenChanged(() => getSelected(call, address));
    return retryWhenChanged(() => getWhole(call, address));
  },
};

async function getWhole(call: Call, address: ObjectAddress): Promise<Reply> {
  const { bucket, key } = address;
  const response = await call.services.backend.send({
    method: 'GET',
    bucket,
    key,
    query: versionQuery(address),
    headers: accountHeaders(call.request),
    lends: seemsSmall,
    signal: call.signal,
  });
  if (response.status !== 200) throw await getFailure(address, response);
  // Its footer may have to be fetched before the body is read.
  awaitingReader(response.body);
  try {
    const object = await understand(call, address, factsOf(response.headers));
    return reply(call, object, { kind: 'whole' }, await openWhole(call, object, response));
  } catch (error) {
    discard(response);
    throw error;
  }
}

async function openWhole(call: Call, object: StoredObject, response: BackendResponse): Promise<Plaintext> {
  if (object.kind === 'legacy') return refuseDisguised(call, object, response.body);
  const plan = planRead(await partsOf(call, object), { start: 0, end: object.size });
  return openPlan(call, object, plan, response);
}

async function getSelected(call: Call, address: ObjectAddress): Promise<Reply> {
  const known = await readKnown(call, address, async (object) => {
    const selection = await select(call, object);
    return { selection, range: rangeOf(selection, object) };
  });
  if (known !== undefined) return reply(call, known.object, known.selected.selection, known.plaintext);
  const object = await namingTheMissing(call, address, inspectObject(call, address));
  const selection = await select(call, object);
  return reply(call, object, selection, await readUndisguised(call, object, rangeOf(selection, object)));
}

/** @throws S3Error PreconditionFailed, NotModified, InvalidRange, InvalidPartNumber, ... */
async function select(call: Call, object: StoredObject): Promise<Selection> {
  const conditions = readConditions(call.request);
  if (conditions !== undefined) checkRead(conditions, readValidators(object, call.request));
  return selectBytes(call, object);
}

function rangeOf(selection: Selection, object: StoredObject): ByteRange {
  return selection.kind === 'whole' ? { start: 0, end: object.size } : selection.range;
}

function reply(call: Call, object: StoredObject, selection: Selection, plaintext: Plaintext): Reply {
  const headers = objectHeaders(object, call.request, {
    checksums: wantsChecksums(call.request) && selection.kind === 'whole',
  });
  const length = selection.kind === 'whole' ? object.size : selection.range.end - selection.range.start;
  return {
    status: selection.kind === 'whole' ? 200 : 206,
    headers: { ...headers, ...selection.headers },
    body: Symbol.asyncIterator in plaintext ? { length, chunks: plaintext } : plaintext,
  };
}

/** A GET's failure. A delete marker's headers go along, as S3 sends them. */
async function getFailure(address: ObjectAddress, response: Parameters<typeof failureOf>[0]): Promise<S3Error> {
  const failure = await failureOf(response, { operation: 'GetObject', bucket: address.bucket, key: address.key });
  const headers: Record<string, string> = {};
  for (const name of ['x-amz-delete-marker', 'x-amz-version-id', 'last-modified', 'allow']) {
    const value = response.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  const details = failure.code === 'NoSuchKey' ? { Key: address.key } : failure.details;
  return new S3Error(failure.code, failure.message, { cause: failure, details, headers });
}
