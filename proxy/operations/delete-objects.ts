/**
 * DeleteObjects: every key in the body is authorised by itself, and a refused one is an error row, as in S3. Keys with an
 * ETag condition go through DeleteObject one by one, since the condition speaks of the plaintext.
 */
import { createHash } from 'node:crypto';
import { demandsOfEach } from '../access/demands.ts';
import { parseAnswer } from '../backend/answer-xml.ts';
import { ask } from '../backend/ask.ts';
import { CHECKSUM_NAMES, checksumHeader } from '../body/checksums.ts';
import { collectBody } from '../body/verified-body.ts';
import { mapBounded } from '../concurrency/map-bounded.ts';
import { S3Error } from '../errors.ts';
import { xmlReply } from '../http/reply.ts';
import type { S3Request } from '../http/request.ts';
import { LIST_LOOKUPS_AT_ONCE, MAX_LIST_KEYS, MAX_XML_BODY_BYTES } from '../limits.ts';
import { unquote } from '../object/conditions.ts';
import { translateConditions, underCondition } from '../object/write-conditions.ts';
import { bodyOf, bucketOf, type Call, type Operation } from '../operation.ts';
import { parseXml, renderXml, type XmlElement, type XmlNode, xmlText } from '../xml/render-xml.ts';
import { isXmlText } from '../xml/xml-characters.ts';
import { lockHeaders } from './request/lock-headers.ts';

interface Named {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly etag: string | undefined;
}

interface Outcome {
  readonly deleted: readonly XmlElement[];
  readonly errors: readonly XmlElement[];
}

export const deleteObjects: Operation = {
  name: 'DeleteObjects',
  selector: { method: 'POST', level: 'bucket', subresources: ['delete'] },
  parameters: [],
  body: 'document',
  chunked: true,
  memory: 'small',
  async run(call) {
    const bucket = bucketOf(call);
    requireDigest(call.request);
    const document = await collectBody(bodyOf(call), { maxBytes: MAX_XML_BODY_BYTES, tooLarge: 'MalformedXML' });
    const { named, quiet } = parseDelete(xmlText(document));
    const allowed: Named[] = [];
    const refused: XmlElement[] = [];
    for (const item of named) {
      const { key, versionId } = item;
      const demands = demandsOfEach('DeleteObjects', { bucket, key, versionId }, call.request.header);
      if (await call.gate.allows(demands, { 's3:VersionId': () => versionId })) allowed.push(item);
      else refused.push(errorRow(item, new S3Error('AccessDenied')));
    }
    const plain = await deletePlain(
      call,
      bucket,
      allowed.filter(({ etag }) => etag === undefined),
    );
    const conditional = await deleteConditional(
      call,
      bucket,
      allowed.filter(({ etag }) => etag !== undefined),
    );
    return xmlReply(
      renderXml('DeleteResult', {
        Deleted: quiet ? [] : [...plain.deleted, ...conditional.deleted],
        Error: [...plain.errors, ...conditional.errors, ...refused],
      }),
    );
  },
};

/**
 * A digest of the list, compared like any other as the body is read: bytes damaged on the way would delete something else. Every
 * SDK sends one. @throws S3Error InvalidRequest
 */
function requireDigest(request: S3Request): void {
  const names = ['content-md5', 'x-amz-trailer', ...CHECKSUM_NAMES.map(checksumHeader)];
  if (names.some((name) => request.header(name) !== undefined)) return;
  throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*');
}

function parseDelete(document: string): { named: readonly Named[]; quiet: boolean } {
  const root = parseXml(document, 'Delete');
  const objects = root.children('Object');
  if (objects.length === 0 || objects.length > MAX_LIST_KEYS) throw new S3Error('MalformedXML');
  return { named: objects.map(parseNamed), quiet: root.value('Quiet')?.trim().toLowerCase() === 'true' };
}

function parseNamed(node: XmlNode): Named {
  const key = node.value('Key');
  // A numeric reference to a forbidden character is as malformed as the character. Nothing of the list is deleted then.
  if (key === undefined || key === '' || !isXmlText(key)) throw new S3Error('MalformedXML');
  if (node.child('LastModifiedTime') !== undefined || node.child('Size') !== undefined) {
    throw new S3Error('NotImplemented', 'DeleteObjects by LastModifiedTime or Size exists for directory buckets only.');
  }
  const versionId = node.value('VersionId');
  return { key, versionId: versionId === '' ? undefined : versionId, etag: node.value('ETag') };
}

async function deletePlain(call: Call, bucket: string, named: readonly Named[]): Promise<Outcome> {
  if (named.length === 0) return { deleted: [], errors: [] };
  const objects = named.map(({ key, versionId }) => ({ Key: key, VersionId: versionId }));
  const body = Buffer.from(renderXml('Delete', { Object: objects }));
  const { document } = await ask(call.context, 'DeleteObjects', {
    method: 'POST',
    bucket,
    query: [['delete', '']],
    headers: {
      ...call.context.accountHeaders,
      ...lockHeaders(call.request),
      'content-type': 'application/xml',
      'content-md5': createHash('md5').update(body).digest('base64'),
    },
    body,
  });
  const result = parseAnswer(document, 'DeleteResult');
  return {
    deleted: result
      .children('Deleted')
      .map((row) => pick(row, ['Key', 'VersionId', 'DeleteMarker', 'DeleteMarkerVersionId'])),
    errors: result.children('Error').map((row) => pick(row, ['Key', 'VersionId', 'Code', 'Message'])),
  };
}

async function deleteConditional(call: Call, bucket: string, named: readonly Named[]): Promise<Outcome> {
  const rows = await mapBounded(named, LIST_LOOKUPS_AT_ONCE, async (item) => {
    try {
      const { key, versionId } = item;
      const conditions = { ifMatch: unquote(item.etag ?? '') };
      const condition = await translateConditions(call.context, { bucket, key, versionId }, conditions, 'delete');
      const query = versionId === undefined ? [] : ([['versionId', versionId]] as const);
      const headers = { ...call.context.accountHeaders, ...lockHeaders(call.request) };
      await underCondition(condition, (conditional) =>
        ask(call.context, 'DeleteObject', {
          method: 'DELETE',
          bucket,
          key,
          query,
          headers: { ...headers, ...conditional },
        }),
      );
      return { deleted: { Key: key, VersionId: versionId } };
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      return { error: errorRow(item, error) };
    }
  });
  return {
    deleted: rows.flatMap(({ deleted }) => (deleted === undefined ? [] : [deleted])),
    errors: rows.flatMap(({ error }) => (error === undefined ? [] : [error])),
  };
}

function errorRow(item: Named, error: S3Error): XmlElement {
  return { Key: item.key, VersionId: item.versionId, Code: error.code, Message: error.message };
}

function pick(row: XmlNode, names: readonly string[]): XmlElement {
  return Object.fromEntries(names.map((name) => [name, row.value(name)]));
}
