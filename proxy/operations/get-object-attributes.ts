/**
 * GetObjectAttributes: what HEAD says and the part table, as one document. ETags stand without quotes and composite checksums
 * without their `-N` here; parts are listed where each has a checksum, else only counted. S3 API reference,
 * GetObjectAttributes.
 */
import type { PartEntry } from '../../crypto/footer.ts';
import { S3Error } from '../errors.ts';
import type { S3Request } from '../http/request.ts';
import { MAX_LIST_KEYS } from '../limits.ts';
import { checksumElements } from '../object/checksum-elements.ts';
import { partTable } from '../object/footer.ts';
import { inspectObject } from '../object/inspect-object.ts';
import { namingTheMissing } from '../object/missing.ts';
import { retryWhenChanged } from '../object/retry-when-changed.ts';
import type { SealedObject, StoredObject } from '../object/stored-object.ts';
import { type Call, type Operation, objectOf } from '../operation.ts';
import { renderXml, type XmlElement } from '../xml/render-xml.ts';

const ATTRIBUTES = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const;
type Attribute = (typeof ATTRIBUTES)[number];

const VERSION_HEADERS = ['x-amz-version-id', 'x-amz-request-charged'] as const;

export const getObjectAttributes: Operation = {
  name: 'GetObjectAttributes',
  selector: { method: 'GET', level: 'object', subresources: ['attributes'] },
  parameters: ['versionId'],
  body: 'none',
  memory: 'listing',
  run: (call) =>
    retryWhenChanged(async () => {
      const { request } = call;
      const wanted = wantedAttributes(request);
      const page = partPage(request);
      const address = { ...objectOf(call), versionId: request.query.get('versionId') };
      const object = await namingTheMissing(call.context, address, inspectObject(call.context, address));
      const { headers, lastModified } = object.facts;
      return {
        status: 200,
        headers: {
          'Content-Type': 'application/xml',
          'Last-Modified': lastModified,
          ...Object.fromEntries(VERSION_HEADERS.map((name) => [name, headers[name]])),
        },
        body: renderXml('GetObjectAttributesResponse', await describe(call, object, wanted, page)),
      };
    }),
};

interface PartPage {
  readonly marker: number;
  readonly maxParts: number;
}

async function describe(
  call: Call,
  object: StoredObject,
  wanted: ReadonlySet<Attribute>,
  page: PartPage,
): Promise<XmlElement> {
  const isSealed = object.kind === 'sealed';
  const checksums = isSealed ? object.late.checksums : [];
  return {
    ETag: wanted.has('ETag') ? object.etag : undefined,
    Checksum: wanted.has('Checksum') && checksums.length > 0 ? checksumElements(checksums) : undefined,
    ObjectParts:
      wanted.has('ObjectParts') && isSealed && object.layout === 2
        ? await describeParts(call, object, page)
        : undefined,
    StorageClass: wanted.has('StorageClass') ? (object.facts.headers['x-amz-storage-class'] ?? 'STANDARD') : undefined,
    ObjectSize: wanted.has('ObjectSize') ? object.size : undefined,
  };
}

async function describeParts(call: Call, object: SealedObject, { marker, maxParts }: PartPage): Promise<XmlElement> {
  const table = await partTable(call.context, object);
  const algorithm = object.late.table?.checksum;
  if (algorithm === undefined) return { PartsCount: table.length };
  const rest = table.filter(({ number }) => number > marker);
  const shown = rest.slice(0, maxParts);
  return {
    PartsCount: table.length,
    PartNumberMarker: marker,
    NextPartNumberMarker: shown.at(-1)?.number ?? marker,
    MaxParts: maxParts,
    IsTruncated: rest.length > shown.length,
    Part: shown.map((part) => partElement(part, algorithm)),
  };
}

function partElement(part: PartEntry, algorithm: string): XmlElement {
  return {
    PartNumber: part.number,
    Size: part.size,
    [`Checksum${algorithm}`]: part.checksum?.toString('base64'),
  };
}

/** @throws S3Error InvalidRequest, InvalidArgument */
function wantedAttributes(request: S3Request): ReadonlySet<Attribute> {
  const text = request.header('x-amz-object-attributes')?.trim() ?? '';
  if (text === '') {
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty',
    );
  }
  const named = text.split(',').map((name) => name.trim());
  const known = named.filter((name): name is Attribute => (ATTRIBUTES as readonly string[]).includes(name));
  if (known.length === named.length) return new Set(known);
  throw new S3Error('InvalidArgument', 'Invalid attribute name specified.', {
    details: { ArgumentName: 'x-amz-object-attributes', ArgumentValue: text },
  });
}

function partPage(request: S3Request): PartPage {
  return {
    marker: integerHeader(request, 'x-amz-part-number-marker') ?? 0,
    maxParts: Math.min(MAX_LIST_KEYS, integerHeader(request, 'x-amz-max-parts') ?? MAX_LIST_KEYS),
  };
}

function integerHeader(request: S3Request, name: string): number | undefined {
  const text = request.header(name);
  if (text === undefined) return undefined;
  if (/^\d{1,10}$/.test(text) && Number(text) < 2 ** 31) return Number(text);
  throw new S3Error('InvalidArgument', `${name} must be an integer between 0 and 2147483647`, {
    details: { ArgumentName: name, ArgumentValue: text },
  });
}
