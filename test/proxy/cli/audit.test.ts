// Protects: what an operator reads back of the audit: verdicts as exit codes, checkpoints however they were kept, exports in each format,
// and that a command line that is wrong says so.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { recordLine } from '../../../proxy/audit/cloudtrail.ts';
import { Signers } from '../../../proxy/audit/signers.ts';
import { auditCommand } from '../../../proxy/cli/audit.ts';
import { AUDIT_BUCKET, AuditBench } from '../../helpers/audit-bench.ts';
import { type BuiltLog, buildLog } from '../../helpers/audit-log-built.ts';
import { into } from './harness.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-audit-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function fileWith(name: string, content: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

async function* stdin(content = ''): AsyncGenerator<Buffer> {
  yield Buffer.from(content);
}

/** The commands on a log; `secret`: with its seal keys. */
async function run(bench: AuditBench, args: readonly string[], o: { secret?: boolean; input?: string } = {}) {
  const written: string[] = [];
  const signers = new Signers(bench.sealKeys);
  const refuse = async () => {
    throw new Error('not here');
  };
  const files = {
    store: bench.store,
    reader: o.secret === true ? bench.reader() : undefined,
    isOurs: o.secret === true ? (signer: { publicKey: Buffer }) => signers.find(signer) !== undefined : undefined,
    resolveTenant: async (text: string) => text,
    prune: refuse,
  };
  const printed = await into((output) =>
    auditCommand(args, {
      ...output,
      files,
      write: async (text) => void written.push(text),
      stdin: stdin(o.input),
      now: bench.now,
      signal: AbortSignal.timeout(60_000),
    }),
  );
  return { ...printed, text: written.join('') };
}

describe('verify', () => {
  let log: BuiltLog;
  beforeAll(async () => {
    log = await buildLog();
  });

  test('takes checkpoints as notes, lines of a log and messages of the webhook', async () => {
    const { checkpoint, origin, size, n } = log.chain;
    const kept = {
      note: checkpoint,
      'two notes': `${log.bench.checkpoints[0]?.checkpoint}\n${checkpoint}`,
      'lines of a log': `nothing\n${JSON.stringify({ level: 'info', batch: n, size, checkpoint, msg: 'audit checkpoint' })}\n{"x":1}\n`,
      webhook: JSON.stringify({ type: 'audit.checkpoint', data: { origin, batch: n, size, checkpoint } }),
    };
    for (const [name, content] of Object.entries(kept)) {
      const file = await fileWith(name, content);
      expect([name, (await run(log.bench, ['verify', '--checkpoint', file])).code]).toEqual([name, 0]);
      expect([name, (await run(log.bench, ['verify', '--checkpoint', '-'], { input: content })).code]).toEqual([
        name,
        0,
      ]);
    }
    const none = await fileWith('none', 'no checkpoint at all');
    expect(await run(log.bench, ['verify', '--checkpoint', none])).toMatchObject({ code: 2 });
    expect(await run(log.bench, ['verify', '--checkpoint', join(directory, 'missing')])).toMatchObject({ code: 2 });
  });

  test('prints the key, and takes it', async () => {
    const first = await run(log.bench, ['verify']);
    expect([first.code, first.out[0]]).toEqual([4, expect.stringContaining('unauthenticated')]);
    const key = first.out.find((line) => line.startsWith('key  '))?.slice(5) ?? '';
    expect(await run(log.bench, ['verify', '--vkey', key])).toMatchObject({ code: 0 });
    expect(await run(log.bench, ['verify'], { secret: true })).toMatchObject({ code: 0 });
    expect(await run(log.bench, ['verify', '--vkey', 'x'])).toMatchObject({ code: 2 });
    const other = (await buildLog(await AuditBench.open((await AuditBench.open()).sealKeys))).chain.signer;
    const { verifierText } = await import('../../../proxy/audit/format/signed-note.ts');
    expect(await run(log.bench, ['verify', '--vkey', verifierText(other)])).toMatchObject({ code: 3 });
  });

  test('names each piece that is not as it should be: 3; and what cannot be known: 4', async () => {
    const { bench, chain } = await buildLog();
    const file = await fileWith('kept', chain.checkpoint);
    const [name = ''] = bench.names('segment');
    const body = bench.body(name);
    bench.backend.remove(AUDIT_BUCKET, name);
    const found = await run(bench, ['verify', '--checkpoint', file]);
    expect([found.code, found.out[0]]).toEqual([3, expect.stringContaining(`tampered  segment-missing  ${name}`)]);
    const json = await run(bench, ['verify', '--checkpoint', file, '--json']);
    expect(json.out.map((line) => JSON.parse(line))).toMatchObject([
      { finding: 'segment-missing', severity: 'tampered', name },
      { verdict: 'tampered', tampered: 1, authenticatedBy: 'checkpoint' },
    ]);
    bench.backend.overwrite(AUDIT_BUCKET, name, body);
    const { writer, sequencer } = await bench.server();
    await writer.write(bench.block());
    await sequencer.run(AbortSignal.timeout(60_000));
    bench.time += 3_600_000;
    expect(await run(bench, ['verify', '--checkpoint', file])).toMatchObject({ code: 4 });
    expect(await run(bench, ['verify', '--checkpoint', file, '--since', 'yesterday'])).toMatchObject({ code: 2 });
  });
});

describe('export', () => {
  const EVENT = {
    kind: 'access-denied',
    detail: 'x',
    tenant: '0123456789abcdef01234567',
    slot: '01234567',
    accessKey: 'abcdefabcdef',
    requestId: 'REQ',
    eventName: 'DeleteObject',
    action: 's3:DeleteObject',
    decision: 'deny',
    statement: 'slot/none',
    resource: 'arn:aws:s3:::b/k',
    bucket: 'b',
    key: '=HYPERLINK("x","y"), a',
    readOnly: false,
    sourceIPAddress: '192.0.2.1',
  } as const;
  const actor = { agent: 'a', operator: 'o' };

  /** Two events of one tenant and a change. */
  async function events(): Promise<AuditBench> {
    const bench = await AuditBench.open();
    const writer = await bench.writer();
    const { gzipSync } = await import('node:zlib');
    const other = { ...EVENT, tenant: 'f'.repeat(24) };
    const change = { kind: 'tenant-created', detail: 'made', tenant: EVENT.tenant } as const;
    for (const [minute, event] of [EVENT, other, change].entries()) {
      const time = `2026-11-27T20:0${minute}:00.000000Z`;
      bench.time = Date.parse(time);
      const line = recordLine(event, { time, region: 'us-east-1', actor });
      await writer.write({ events: 1, first: time, last: time, packed: gzipSync(`${line}\n`), urgent: true });
    }
    await writer.close(60_000);
    return bench;
  }

  const lines = (text: string) => text.trimEnd().split(/\r?\n/);
  const exported = async (bench: AuditBench, ...args: string[]) => run(bench, ['export', ...args], { secret: true });

  test('as a log file of CloudTrail', async () => {
    const { code, text } = await exported(await events(), '--format', 'cloudtrail');
    const { Records } = JSON.parse(text) as { Records: { eventName: string; errorCode?: string }[] };
    expect([code, Records.map(({ eventName }) => eventName)]).toEqual([
      0,
      ['DeleteObject', 'DeleteObject', 'TenantCreated'],
    ]);
    expect(Records[0]?.errorCode).toBe('AccessDenied');
    const none = await exported(await events(), '--format', 'cloudtrail', '--until', '2020-01-01');
    expect(JSON.parse(none.text)).toEqual({ Records: [] });
  });

  test('as OCSF, with what the class requires', async () => {
    const { text } = await exported(await events(), '--format', 'ocsf');
    const [first, , last] = lines(text).map((line) => JSON.parse(line));
    expect(first).toMatchObject({
      ...{ activity_id: 4, category_uid: 6, class_uid: 6003, type_uid: 600_304, severity_id: 2, status_id: 2 },
      time: Date.parse('2026-11-27T20:00:00Z'),
      actor: { user: { uid: `${EVENT.tenant}:${EVENT.slot}`, credential_uid: EVENT.accessKey } },
      api: { operation: 'DeleteObject', service: { name: 's3.amazonaws.com' }, request: { uid: 'REQ' } },
      src_endpoint: { ip: '192.0.2.1' },
      metadata: { version: '1.3.0', product: { vendor_name: 'Sealgate' } },
    });
    expect(last).toMatchObject({ activity_id: 1, type_uid: 600_301, status_id: 1, src_endpoint: { name: 'sealgate' } });
  });

  test('as CSV that no spreadsheet takes for a formula', async () => {
    const { text } = await exported(await events(), '--format', 'csv');
    const rows = text.split('\r\n');
    expect([rows.length, rows[0]?.startsWith('eventTime,eventName,eventSource,tenant,slot,')]).toEqual([5, true]);
    expect(rows[1]).toContain(`"'=HYPERLINK(""x"",""y""), a"`);
  });

  test('of a time and of a tenant alone', async () => {
    const bench = await events();
    const count = async (...args: string[]) =>
      lines((await exported(bench, '--format', 'ocsf', ...args)).text).filter(Boolean).length;
    expect(await count('--since', '2026-11-27T20:01:00Z')).toBe(2);
    expect(await count('--until', '2026-11-27T20:01:00Z')).toBe(1);
    expect(await count('--tenant', EVENT.tenant)).toBe(2);
    expect(await count('--tenant', EVENT.tenant, '--since', '2026-11-27T20:01:00Z')).toBe(1);
  });

  test('says what does not open, and leaves it out', async () => {
    const bench = await events();
    const [name = ''] = bench.names('segment');
    bench.backend.overwrite(AUDIT_BUCKET, name, Buffer.from('x'));
    const { code, err, text } = await exported(bench, '--format', 'ocsf');
    expect([code, err.join(), lines(text).length]).toEqual([1, expect.stringContaining(name), 2]);
  });

  test('tail prints the newest', async () => {
    const bench = await events();
    const tail = async (...args: string[]) => {
      const { text } = await run(bench, ['tail', ...args], { secret: true });
      return lines(text).map((line) => (line === '' ? '' : JSON.parse(line).eventName));
    };
    expect(await tail('-n', '2')).toEqual(['DeleteObject', 'TenantCreated']);
    expect(await tail('-n', '1', '--tenant', EVENT.tenant)).toEqual(['TenantCreated']);
    expect((await tail()).length).toBe(3);
  });

  test.each([
    [['export'], /--format is one of/],
    [['export', '--format', 'xml'], /--format is one of/],
    [['export', '--format', 'csv', '--since', 'noon'], /--since is a time/],
    [['tail', '-n', 'all'], /number of events/],
    [['prune', '--older-than', '3'], /number of days/],
    [['rotate'], /Unknown command/],
  ] as const)('%j is refused', async (args, message) => {
    const found = await run(await AuditBench.open(), args, { secret: true });
    expect([found.code, found.err.join('\n')]).toEqual([2, expect.stringMatching(message)]);
  });

  test('without the seal keys is refused', async () => {
    const found = await run(await AuditBench.open(), ['export', '--format', 'csv']);
    expect([found.code, found.err[0]]).toEqual([2, expect.stringMatching(/SEALGATE_SEAL_KEYS/)]);
  });
});
