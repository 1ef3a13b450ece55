/** Where the proxy follows S3's documentation or RFC 9110, and a store reads ranges, conditions and part numbers otherwise. */
import { type Allowed, outcomes, queryText, sent } from './rule.ts';

const OBJECT = 'GET object|HEAD object';
const CONDITIONS = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'];

export const SEMANTICS: readonly Allowed[] = [
  outcomes({
    name: 'unusual ranges',
    reason:
      'RFC 9110 section 14: a range that is malformed, ends before it begins, or is one of several is ignored; the unit has any case',
    stores: ['minio', 'moto', 'moto-strict', 'embedded'],
    rows: [
      [OBJECT, '200|206|416|416 InvalidRange|500', '200|206|416|416 InvalidRange'],
      [OBJECT, '400 InvalidRequest|501 NotImplemented', '200|206|416 InvalidRange'],
    ],
    when: (exchange) => isUnusual(sent(exchange, 'range')),
  }),
  outcomes({
    name: 'If-Range',
    reason:
      'RFC 9110 section 13.1.5: the range only if the validator is current; the store ignores or refuses the header',
    rows: [[OBJECT, '206|200|400 InvalidRequest', '200|206']],
    when: (exchange) => sent(exchange, 'if-range') !== '',
  }),
  outcomes({
    name: 'lists of ETags',
    reason:
      'RFC 9110 section 13.1: If-Match and If-None-Match take lists, weak tags and *; the store compares one text',
    rows: [
      [OBJECT, '412|412 PreconditionFailed', '200|206'],
      [OBJECT, '200', '304'],
    ],
    when: (exchange) => ['if-match', 'if-none-match'].some((name) => isList(sent(exchange, name))),
  }),
  outcomes({
    name: 'lists of ETags on writes',
    reason: 'the same for If-Match on a write; If-None-Match: * is what locks are made of, and is compared',
    rows: [['PUT object|DELETE object', '412 PreconditionFailed', '200|204']],
    when: (exchange) => isList(sent(exchange, 'if-match')),
  }),
  outcomes({
    name: 'order of conditions',
    reason: 'RFC 9110 section 13.2.2 and S3: a date counts only beside no ETag condition; the store evaluates both',
    rows: [
      [OBJECT, '304|412|412 PreconditionFailed', '200'],
      ['PUT object+copy|PUT object?partNumber&uploadId+copy', '412 PreconditionFailed', '200'],
    ],
    when: (exchange) =>
      CONDITIONS.filter((name) => sent(exchange, name) !== '' || sent(exchange, `x-amz-copy-source-${name}`) !== '')
        .length === 2,
  }),
  outcomes({
    name: 'conditions that S3 does not implement',
    reason:
      'S3 answers NotImplemented to If-None-Match with an ETag on a write, to both conditions at once, and to If-None-Match on a delete; a store ignores them or evaluates them',
    rows: [['PUT object|DELETE object', '200|204|404 NoSuchKey|412 PreconditionFailed', '501 NotImplemented']],
    when: (exchange) => sent(exchange, 'if-none-match') !== '',
  }),
  outcomes({
    name: 'conditional deletes',
    reason:
      'a store that cannot decide If-Match on a delete ignores it; the proxy says NotImplemented, as configured by default',
    rows: [['DELETE object', '204|412 PreconditionFailed', '501 NotImplemented']],
    when: (exchange) => sent(exchange, 'if-match') !== '',
  }),
  outcomes({
    name: 'part numbers',
    reason:
      'S3: a part number is 1 to 10,000 and that of the upload, an object that is not of parts has part 1, and a Range beside it is refused; stores count parts anew, or serve the whole object',
    rows: [
      [
        'GET object',
        '200|206|400|500 InternalError|400 InvalidPartNumber|400 InvalidRequest',
        '206|200|416 InvalidPartNumber|416 InvalidRange|400 InvalidArgument|400 InvalidRequest',
      ],
      ['GET object', '500|400 XMinioAdminInvalidArgument', '400 InvalidArgument'],
      ['HEAD object', '200|206|400|500', '206|200|416|400'],
    ],
    when: (exchange) => /(^|&)partNumber=/.test(queryText(exchange)),
  }),
  {
    name: 'bytes of sparse parts',
    reason:
      'MinIO numbers the parts of an object anew, so that partNumber=3 of parts 3, 7 and 9 is the last; S3 keeps the numbers',
    stores: ['minio'],
    allows: ({ at }, exchange) =>
      /^(body|header content-(length|range)|header x-amz-checksum-\w+)$/.test(at) &&
      /(^|&)partNumber=\d/.test(queryText(exchange)),
  },
];

/** Anything but `bytes=A-B`, `bytes=A-` and `bytes=-N` with A not above B and N above 0. */
function isUnusual(range: string): boolean {
  const [, first = '', last = ''] = /^bytes=(\d{0,9})-(\d{0,9})$/.exec(range) ?? [];
  if (first === '') return Number(last) === 0;
  return last !== '' && Number(first) > Number(last);
}

/** More than one strong ETag. */
function isList(etags: string): boolean {
  return /[,*]|^W\//.test(etags);
}
