// Protects: the decoder of aws-chunked bodies. Every client's line endings decode, however the input is cut; a body that is cut
// short, lengthened, or changed in any byte is refused; no line is unbounded; payload is never copied; nothing but an S3Error is
// ever thrown, whatever the input.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AwsChunkedDecoder, stripAwsChunked } from '../../../proxy/body/aws-chunked.ts';
import { S3Error, type S3ErrorCode } from '../../../proxy/errors.ts';
import { MAX_CHUNK_HEADER_BYTES, MAX_TRAILER_BYTES } from '../../../proxy/limits.ts';
import { parseClaim } from '../../../sigv4/parse.ts';
import { verifyRequest } from '../../../sigv4/verify.ts';
import { chunkedBody, type TrailerStyle } from '../../helpers/aws-chunked-body.ts';
import { ChunkSigner, headerOf, NOW, signByHeader, signingSecret } from '../../helpers/sign-request.ts';

const PAYLOAD = Buffer.from('The quick brown fox jumps over the lazy dog, 0123456789.');
const CHECKSUM = { name: 'x-amz-checksum-crc32', value: 'DUoRhQ==' };

interface Mode {
  readonly signed: boolean;
  readonly trailer: boolean;
  readonly style?: TrailerStyle;
}

const MODES: Readonly<Record<string, Mode>> = {
  'unsigned, trailer as the AWS SDKs write it': { signed: false, trailer: true },
  'unsigned, trailer as minio-go writes it': { signed: false, trailer: true, style: 'minio-go' },
  'unsigned, spaces around the colon': { signed: false, trailer: true, style: 'spaces' },
  'signed, no trailer': { signed: true, trailer: false },
  'signed, trailer as the AWS SDKs write it': { signed: true, trailer: true },
  'signed, trailer as minio-go writes it': { signed: true, trailer: true, style: 'minio-go' },
  'signed, spaces around the colon': { signed: true, trailer: true, style: 'spaces' },
};

const request = signByHeader({ payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER' });
const seed = /Signature=([0-9a-f]{64})/.exec(headerOf(request, 'authorization'))?.[1] ?? '';

function bodyOf(mode: Mode, payload: Buffer = PAYLOAD): Buffer {
  return chunkedBody({
    payload,
    chunkBytes: 20,
    ...(mode.signed ? { signer: new ChunkSigner({ seed }) } : {}),
    ...(mode.trailer ? { trailer: { ...CHECKSUM, ...(mode.style === undefined ? {} : { style: mode.style }) } } : {}),
  });
}

function decoderOf(mode: Mode, plainBytes: number = PAYLOAD.length): AwsChunkedDecoder {
  const { chunks } = verifyRequest(request, parseClaim(request), { signingSecret: signingSecret(), now: NOW });
  if (chunks === undefined) throw new Error('no chain');
  return new AwsChunkedDecoder({ plainBytes, trailer: mode.trailer, ...(mode.signed ? { chain: chunks } : {}) });
}

function decode(mode: Mode, reads: readonly Buffer[], plainBytes?: number) {
  const decoder = decoderOf(mode, plainBytes);
  const slices = reads.flatMap((read) => [...decoder.push(read)]);
  return { payload: Buffer.concat(slices), slices, trailer: decoder.finish() };
}

function codeOf(mode: Mode, reads: readonly Buffer[], plainBytes?: number): S3Error['code'] | 'accepted' {
  try {
    decode(mode, reads, plainBytes);
    return 'accepted';
  } catch (error) {
    if (error instanceof S3Error) return error.code;
    throw error;
  }
}

function expectWhole(mode: Mode, reads: readonly Buffer[]): void {
  const { payload, trailer } = decode(mode, reads);
  expect(payload.equals(PAYLOAD)).toBe(true);
  expect([...trailer]).toEqual(mode.trailer ? [[CHECKSUM.name, CHECKSUM.value]] : []);
}

describe.each(Object.entries(MODES))('%s', (_, mode) => {
  const body = bodyOf(mode);

  it('decodes whole, byte by byte, and cut in two at every place', () => {
    expectWhole(mode, [body]);
    expectWhole(
      mode,
      Array.from(body, (_byte, i) => body.subarray(i, i + 1)),
    );
    for (let cut = 0; cut <= body.length; cut++) expectWhole(mode, [body.subarray(0, cut), body.subarray(cut)]);
  });

  it('decodes cut in any number of places', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: body.length }), { maxLength: 12 }), (cuts) => {
        const ends = [...cuts.sort((a, b) => a - b), body.length];
        expectWhole(
          mode,
          ends.map((end, i) => body.subarray(ends[i - 1] ?? 0, end)),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('decodes an empty body', () => {
    const { payload } = decode(mode, [bodyOf(mode, Buffer.alloc(0))], 0);
    expect(payload).toHaveLength(0);
  });

  it('gives out slices of what came in', () => {
    const copy = Buffer.from(body);
    const { slices } = decode(mode, [copy]);
    expect(slices).toHaveLength(3);
    for (const slice of slices) expect(slice.buffer).toBe(copy.buffer);
  });

  it('is incomplete when it is cut short anywhere, the empty line at its end included', () => {
    let refused = 0;
    for (let end = 0; end < body.length; end++) {
      expect([end, codeOf(mode, [body.subarray(0, end)])]).toEqual([end, 'IncompleteBody']);
      refused += 1;
    }
    expect(refused).toBe(body.length);
  });

  it('is refused with anything but empty lines after its end', () => {
    const field = `${CHECKSUM.name}:${CHECKSUM.value}\r\n`;
    for (const extra of ['x', '0\r\n\r\n', '\0', '5\r\nhello\r\n', field, 'x-other:1\r\n', 'x-other:1\r\n\r\n']) {
      expect([extra, codeOf(mode, [body, Buffer.from(extra)])]).toEqual([extra, 'IncompleteBody']);
    }
  });

  it('is refused when the announced length is not exact', () => {
    expect(codeOf(mode, [body], PAYLOAD.length - 1)).toBe('IncompleteBody');
    expect(codeOf(mode, [body], PAYLOAD.length + 1)).toBe('IncompleteBody');
    expect(codeOf(mode, [body], 0)).toBe('IncompleteBody');
  });
});

describe('a changed byte', () => {
  const signedModes = Object.values(MODES).filter((mode) => mode.signed);

  it('anywhere in a signed body is refused', () => {
    expect(signedModes).toHaveLength(4);
    for (const mode of signedModes) {
      const body = bodyOf(mode);
      for (let i = 0; i < body.length; i++) {
        const changed = Buffer.from(body);
        changed[i] = (changed[i] ?? 0) ^ 1;
        expect(codeOf(mode, [changed]), `byte ${i}`).not.toBe('accepted');
      }
    }
  });

  const AWS_SIGNED: Mode = { signed: true, trailer: true };

  function changed(from: string | RegExp, to: string): Buffer {
    const text = bodyOf(AWS_SIGNED).toString('latin1');
    const other = text.replace(from, to);
    expect(other).not.toBe(text);
    return Buffer.from(other, 'latin1');
  }

  it('in the first, a middle and the last chunk is a wrong signature', () => {
    for (const [from, to] of [
      ['quick', 'quack'],
      ['jumps', 'dumps'],
      ['789.', '788.'],
    ] as const) {
      expect(codeOf(AWS_SIGNED, [changed(from, to)])).toBe('SignatureDoesNotMatch');
    }
  });

  it('in a chunk signature, the final one and the trailer is a wrong signature', () => {
    const zeros = '0'.repeat(64);
    expect(codeOf(AWS_SIGNED, [changed(/chunk-signature=\w+/, `chunk-signature=${zeros}`)])).toBe(
      'SignatureDoesNotMatch',
    );
    expect(codeOf(AWS_SIGNED, [changed(/\n0;chunk-signature=\w+/, `\n0;chunk-signature=${zeros}`)])).toBe(
      'SignatureDoesNotMatch',
    );
    expect(codeOf(AWS_SIGNED, [changed('DUoRhQ==', 'AAAAAA==')])).toBe('SignatureDoesNotMatch');
    expect(codeOf(AWS_SIGNED, [changed('crc32:', 'crc32c:')])).toBe('SignatureDoesNotMatch');
    expect(codeOf(AWS_SIGNED, [changed(/trailer-signature:\w+/, `trailer-signature:${zeros}`)])).toBe(
      'SignatureDoesNotMatch',
    );
    expect(codeOf(AWS_SIGNED, [changed(/trailer-signature:\w+/, 'trailer-signature:ab')])).toBe(
      'SignatureDoesNotMatch',
    );
  });

  it('that moves the border of two chunks is refused', () => {
    expect(codeOf(AWS_SIGNED, [changed(/^14;/, '13;')])).toBe('SignatureDoesNotMatch');
    expect(codeOf(AWS_SIGNED, [changed(/^14;/, '15;')])).toBe('SignatureDoesNotMatch');
    expect(codeOf({ signed: false, trailer: true }, [Buffer.from('3\r\nabcd\r\n0\r\nx:y\r\n\r\n')], 4)).toBe(
      'IncompleteBody',
    );
  });

  it('that drops, repeats or swaps whole chunks is refused', () => {
    const text = bodyOf(AWS_SIGNED).toString('latin1');
    const [first = '', second = '', ...rest] = text.split(/(?<=\r\n)(?=\w+;chunk-signature)/);
    expect(rest).toHaveLength(2);
    const bodies = [
      [second, first, ...rest],
      [first, first, ...rest],
      [first, ...rest],
      [first, second, rest[1] ?? ''],
    ];
    for (const pieces of bodies) {
      expect(codeOf(AWS_SIGNED, [Buffer.from(pieces.join(''), 'latin1')])).not.toBe('accepted');
    }
  });

  it('that removes the trailer, its signature, or signs nothing is refused', () => {
    expect(codeOf(AWS_SIGNED, [changed(/x-amz-checksum[\s\S]*/, '\r\n')])).toBe('MalformedTrailerError');
    expect(codeOf(AWS_SIGNED, [changed(/x-amz-trailer-signature.*\r\n/, '')])).toBe('MalformedTrailerError');
    expect(codeOf(AWS_SIGNED, [changed(/x-amz-checksum.*\r\n/, '')])).toBe('SignatureDoesNotMatch');
    expect(codeOf(AWS_SIGNED, [changed(/\r\n\r\n$/, '\r\nx-late:1\r\n\r\n')])).toBe('MalformedTrailerError');
  });
});

const UNSIGNED: Mode = { signed: false, trailer: true };
const SIGNED: Mode = { signed: true, trailer: false };

describe('malformed framing', () => {
  const ENDING = '0\r\nx:y\r\n\r\n';
  const CASES: readonly (readonly [name: string, mode: Mode, body: string, plainBytes: number, code: S3ErrorCode])[] = [
    ['no framing at all', UNSIGNED, 'hello world', 11, 'IncompleteBody'],
    ['no framing, with a line', UNSIGNED, 'hello\r\nworld', 11, 'IncompleteBody'],
    ['a size that is not hex', UNSIGNED, `g\r\n${ENDING}`, 0, 'IncompleteBody'],
    ['a negative size', UNSIGNED, `-1\r\n${ENDING}`, 0, 'IncompleteBody'],
    ['a size with a prefix', UNSIGNED, `0x1\r\na\r\n${ENDING}`, 1, 'IncompleteBody'],
    ['a size with spaces', UNSIGNED, `1 \r\na\r\n${ENDING}`, 1, 'IncompleteBody'],
    ['an empty size', UNSIGNED, `\r\n${ENDING}`, 0, 'IncompleteBody'],
    ['a size of 17 digits', UNSIGNED, `${'0'.repeat(16)}1\r\na\r\n${ENDING}`, 1, 'IncompleteBody'],
    ['the largest size there is', UNSIGNED, `${'f'.repeat(16)}\r\na`, 1, 'IncompleteBody'],
    ['a size one over the announced length', UNSIGNED, `2\r\nab\r\n${ENDING}`, 1, 'IncompleteBody'],
    ['a header line that ends with LF alone', UNSIGNED, `1\na\r\n${ENDING}`, 1, 'IncompleteBody'],
    ['data that ends with LF alone', UNSIGNED, `1\r\na\n${ENDING}`, 1, 'IncompleteBody'],
    ['data longer than its size', UNSIGNED, `1\r\nab\r\n${ENDING}`, 1, 'IncompleteBody'],
    ['an extension in an unsigned body', UNSIGNED, `1;x=y\r\na\r\n${ENDING}`, 1, 'IncompleteBody'],
    ['a chunk signature in an unsigned body', UNSIGNED, `1;chunk-signature=${seed}\r\na\r\n`, 1, 'IncompleteBody'],
    ['no chunk signature in a signed body', SIGNED, '1\r\na\r\n0\r\n\r\n', 1, 'IncompleteBody'],
    ['a short chunk signature', SIGNED, '1;chunk-signature=ab\r\na\r\n', 1, 'IncompleteBody'],
    ['two chunk extensions', SIGNED, `1;chunk-signature=${seed};a=b\r\na\r\n`, 1, 'IncompleteBody'],
    [
      'a trailer signature in an unsigned body',
      UNSIGNED,
      `0\r\nx-amz-trailer-signature:${seed}\r\n\r\n`,
      0,
      'MalformedTrailerError',
    ],
    ['a trailer line without a colon', UNSIGNED, '0\r\nnonsense\r\n\r\n', 0, 'MalformedTrailerError'],
    ['a trailer line without a name', UNSIGNED, '0\r\n:v\r\n\r\n', 0, 'MalformedTrailerError'],
    ['a trailer line without a value', UNSIGNED, '0\r\nx:\r\n\r\n', 0, 'MalformedTrailerError'],
    ['a trailer value with a control character', UNSIGNED, '0\r\nx:a\u0000b\r\n\r\n', 0, 'MalformedTrailerError'],
    ['a trailer field given twice', UNSIGNED, '0\r\nx:a\r\nX:a\r\n\r\n', 0, 'MalformedTrailerError'],
    ['a folded trailer line', UNSIGNED, '0\r\nx:a\r\n b\r\n\r\n', 0, 'MalformedTrailerError'],
    ['an empty input', UNSIGNED, '', 0, 'IncompleteBody'],
  ];

  it('has 26 cases', () => expect(CASES).toHaveLength(26));

  for (const [name, mode, body, plainBytes, code] of CASES) {
    it(`${name}: ${code}`, () => expect(codeOf(mode, [Buffer.from(body, 'latin1')], plainBytes)).toBe(code));
  }
});

describe('bounds', () => {
  it('of a chunk header, in one read and over many', () => {
    const line = Buffer.alloc(MAX_CHUNK_HEADER_BYTES + 1, '1');
    expect(codeOf(UNSIGNED, [line], 1)).toBe('IncompleteBody');
    expect(codeOf(UNSIGNED, [line.subarray(1)], 1)).toBe('IncompleteBody');
    const decoder = decoderOf(UNSIGNED);
    const byte = Buffer.from('1');
    const feed = () => {
      for (let i = 0; i <= MAX_CHUNK_HEADER_BYTES; i++) [...decoder.push(byte)];
    };
    expect(feed).toThrow(/longer than/);
  });

  it('of a trailer', () => {
    const value = 'v'.repeat(MAX_TRAILER_BYTES - 'x:\r\n\r\n'.length);
    expect(codeOf(UNSIGNED, [Buffer.from(`0\r\nx:${value}\r\n\r\n`)], 0)).toBe('accepted');
    expect(codeOf(UNSIGNED, [Buffer.from(`0\r\nx:${value}v\r\n\r\n`)], 0)).toBe('MalformedTrailerError');
    expect(codeOf(SIGNED, [bodyOf(SIGNED), Buffer.alloc(MAX_TRAILER_BYTES, '\n')])).toBe('MalformedTrailerError');
  });
});

describe('any input', () => {
  it('ends in payload of the announced length or in an S3Error', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '0\r\n',
        '1\r\n',
        '5\r\nhello\r\n',
        '\r\n',
        '\n',
        'x:y\r\n',
        ';chunk-signature=',
        seed,
        'ff',
        '\0',
      ),
      fc.string({ maxLength: 8 }),
    );
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.nat({ max: 12 }),
        fc.boolean(),
        (pieces, plainBytes, signed) => {
          const reads = pieces.map((text) => Buffer.from(text));
          const mode = { signed, trailer: true };
          if (codeOf(mode, reads, plainBytes) !== 'accepted') return;
          accepted += 1;
          expect(decode(mode, reads, plainBytes).payload).toHaveLength(plainBytes);
        },
      ),
      { numRuns: 3000, examples: [[['5\r\nhello\r\n', '0\r\n', 'x:y\r\n', '\r\n'], 5, false]] },
    );
    expect(accepted).toBeGreaterThan(0);
  });
});

describe('Content-Encoding', () => {
  it('loses aws-chunked and nothing else', () => {
    const values: readonly (readonly [string | undefined, string | undefined])[] = [
      [undefined, undefined],
      ['', ''],
      ['gzip', 'gzip'],
      ['gzip,br', 'gzip,br'],
      ['aws-chunked', undefined],
      ['AWS-Chunked', undefined],
      ['aws-chunked,', undefined],
      ['gzip, aws-chunked', 'gzip'],
      ['aws-chunked,gzip', 'gzip'],
      ['aws-chunked, gzip, br', 'gzip, br'],
      ['x-aws-chunked', 'x-aws-chunked'],
    ];
    expect(values).toHaveLength(11);
    for (const [given, kept] of values) expect(stripAwsChunked(given)).toBe(kept);
  });
});
