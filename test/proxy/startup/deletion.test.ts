/**
 * Protects: a state bucket that keeps what is deleted from it is refused before a server starts, and told apart from one of which the
 * store does not say; and a secret of session tokens that cannot be deleted is an alert as long as any version of it is there.
 */
import { Readable } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import type { Backend, BackendRequest, BackendResponse } from '../../../proxy/backend/backend.ts';
import { SessionDays } from '../../../proxy/keyring/sessions/day-records.ts';
import { SessionUpkeep } from '../../../proxy/keyring/sessions/session-upkeep.ts';
import { StateStore } from '../../../proxy/keyring/state/state.ts';
import type { SecurityEvent } from '../../../proxy/observe/events.ts';
import { checkDeletion } from '../../../proxy/startup/check-deletion.ts';
import { inWords } from '../../../proxy/startup/finding.ts';
import { errorReply } from '../../helpers/backend-reply.ts';
import { temporaryStore } from '../../helpers/bench.ts';
import { newSealKeys } from '../../helpers/keyring-fixture.ts';

const signal = () => AbortSignal.timeout(60_000);
const refusal = (status: number, code: string) =>
  errorReply({ method: 'GET', bucket: 'state', signal: signal() }, { status, code });
const reply = ({ status, body = '' }: { status: number; body?: string }): BackendResponse => ({
  status,
  headers: {},
  body: Readable.from([Buffer.from(body)]),
});
const asks = ({ method, query = [] }: BackendRequest, name: string) =>
  method === 'GET' && query.some(([given]) => given === name);

const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

type Answers = (request: BackendRequest) => BackendResponse | undefined;

/** As S3 answers of a bucket that has neither. */
const neither: Answers = (request) => {
  if (asks(request, 'object-lock')) return refusal(404, 'ObjectLockConfigurationNotFoundError');
  if (asks(request, 'replication')) return refusal(404, 'ReplicationConfigurationNotFoundError');
  return undefined;
};

async function store(answers: Answers, o: { isVersioned?: boolean } = {}) {
  const opened = await temporaryStore();
  undo.push(() => opened.close());
  const requests: BackendRequest[] = [];
  const backend: Backend = {
    description: 'the store',
    async send(request) {
      requests.push(request);
      return answers(request) ?? neither(request) ?? opened.backend.send(request);
    },
    close: async () => undefined,
  };
  const state = new StateStore({ backend, bucket: 'state', prefix: 'p/' });
  await state.ensureBucket(signal());
  if (o.isVersioned === true) await setVersioned(opened.backend);
  requests.length = 0;
  return { backend, state, requests };
}

async function setVersioned(backend: Backend): Promise<void> {
  const body = Buffer.from('<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>');
  const made = await backend.send({
    method: 'PUT',
    bucket: 'state',
    query: [['versioning', '']],
    body,
    signal: signal(),
  });
  made.body.resume();
  expect(made.status).toBe(200);
}

/** What is said, and whether a server would start. */
async function checked(answers: Answers, o: { isVersioned?: boolean } = {}) {
  const storage = await store(answers, o);
  const said: string[] = [];
  const starts = await checkDeletion(storage, (finding) => said.push(`${finding.level} ${inWords(finding)}`));
  return { starts, said, storage };
}

/** Deletes of single versions are answered so, and do nothing. */
const versionsStay =
  (answer: () => BackendResponse): Answers =>
  ({ method, query = [] }) =>
    method === 'DELETE' && query.some(([name]) => name === 'versionId') ? answer() : undefined;

describe('what a state bucket keeps', () => {
  test.each([false, true])('nothing: versioned %s', async (isVersioned) => {
    const { starts, said, storage } = await checked(() => undefined, { isVersioned });
    expect([starts, said]).toEqual([true, ['ok what is deleted from state is gone.']]);
    expect([...(await storage.state.listEver('', signal()))]).toEqual([]);
  });

  test.each([
    [
      'object-lock',
      'Object Lock',
      '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>',
    ],
    [
      'replication',
      'replication',
      '<ReplicationConfiguration><Rule><Status>Enabled</Status></Rule></ReplicationConfiguration>',
    ],
  ])('%s is a fault, and nothing is written there', async (subresource, what, body) => {
    const { starts, said, storage } = await checked((request) =>
      asks(request, subresource) ? reply({ status: 200, body }) : undefined,
    );
    expect([starts, said]).toEqual([false, [expect.stringContaining(`fault the bucket state has ${what}`)]]);
    expect(storage.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
  });

  test('an embedded store with Object Lock, asked itself', async () => {
    const { backend, close } = await temporaryStore();
    undo.push(close);
    const headers = { 'x-amz-bucket-object-lock-enabled': 'true' };
    const made = await backend.send({
      method: 'PUT',
      bucket: 'state',
      headers,
      body: Buffer.alloc(0),
      signal: signal(),
    });
    made.body.resume();
    const said: string[] = [];
    const state = new StateStore({ backend, bucket: 'state', prefix: '' });
    expect([made.status, await checkDeletion({ backend, state }, ({ text }) => said.push(text))]).toEqual([200, false]);
    expect(said).toEqual([expect.stringContaining('has Object Lock')]);
  });

  test.each([
    ['object-lock', '<ObjectLockConfiguration/>'],
    ['replication', '<ReplicationConfiguration><Rule><Status>Disabled</Status></Rule></ReplicationConfiguration>'],
  ])('%s that is not on is none', async (subresource, body) => {
    const { starts, said } = await checked((request) =>
      asks(request, subresource) ? reply({ status: 200, body }) : undefined,
    );
    expect([starts, said.length, said[0]]).toEqual([true, 1, expect.stringMatching(/^ok/)]);
  });

  test('versions that stay, though the store says they went: a fault', async () => {
    const { starts, said } = await checked(
      versionsStay(() => reply({ status: 204 })),
      { isVersioned: true },
    );
    expect([starts, said]).toEqual([false, [expect.stringContaining('fault the bucket state keeps versions')]]);
  });

  test('versions that may not be deleted: a warning that names the refusal', async () => {
    const { starts, said } = await checked(
      versionsStay(() => refusal(403, 'AccessDenied')),
      { isVersioned: true },
    );
    expect([starts, said]).toEqual([true, [expect.stringMatching(/^warning .*versions \(.*AccessDenied/)]]);
  });

  test('a store that does not say, or fails: a warning for each', async () => {
    const { starts, said } = await checked((request) => {
      if (asks(request, 'object-lock')) return refusal(403, 'AccessDenied');
      return asks(request, 'replication') ? refusal(500, 'InternalError') : undefined;
    });
    expect([starts, said]).toEqual([
      true,
      [expect.stringMatching(/^warning .*Object Lock \(AccessDenied\), replication \(InternalError\)/)],
    ]);
  });

  test('a store that has no such thing has none, and one without versions lists none', async () => {
    const { starts, said } = await checked((request) =>
      ['object-lock', 'replication', 'versions'].some((name) => asks(request, name))
        ? refusal(501, 'NotImplemented')
        : undefined,
    );
    expect([starts, said]).toEqual([true, ['ok what is deleted from state is gone.']]);
  });
});

describe('the secret of a day past', () => {
  const HOUR_MS = 3_600_000;

  async function upkeep(answers: Answers, o = { isVersioned: true }) {
    let time = Date.parse('2026-06-01T12:00:00Z');
    const { state } = await store(answers, o);
    const isThere = async () => (await state.listEver('sessions/', signal())).has('sessions/2026-06-01/one');
    const events: SecurityEvent[] = [];
    const failures: unknown[] = [];
    const [sealKeys, now] = [newSealKeys('one'), () => new Date(time)];
    const days = new SessionDays({ state, sealKeys, now });
    const issue = () => days.current(new Date(time), signal());
    await issue();
    const record = { failing: false };
    const keeperOf = () =>
      new SessionUpkeep({
        days,
        uses: { removeOld: async () => [] as never },
        deps: {
          ...{ state, sealKeys, now },
          record: (event) => {
            if (record.failing) throw new Error('the audit is full');
            events.push(event);
          },
        },
        onFailure: (error) => failures.push(error),
      });
    let keeper = keeperOf();
    const restart = () => {
      keeper = keeperOf();
    };
    const round = async (hours: number) => {
      time += hours * HOUR_MS;
      events.length = 0;
      await keeper.run();
      const [failed] = failures.splice(0);
      if (failed !== undefined) throw failed;
      return events.map(({ kind, detail }) => `${kind} ${detail.split(':')[0]}`);
    };
    return { isThere, round, restart, issue, record };
  }
  const ALERT = ['session-day-left sessions/2026-06-01/one'];

  test('goes 72 hours after its day began, every version of it, without a word', async () => {
    const { isThere, round } = await upkeep(() => undefined);
    expect(await round(59)).toEqual([]);
    expect(await isThere()).toBe(true);
    expect(await round(1)).toEqual([]);
    expect(await isThere()).toBe(false);
  });

  test.each([
    ['says that a version went, and keeps it', () => reply({ status: 204 })],
    ['refuses to delete a version, as under Object Lock', () => refusal(403, 'AccessDenied')],
  ])('a store that %s: an alert for each record, until it is gone', async (_, answer) => {
    let isKept = true;
    const stay = versionsStay(answer);
    const { isThere, round, restart } = await upkeep((request) => (isKept ? stay(request) : undefined));
    expect(await round(60)).toEqual(ALERT);
    // The current version is gone; an older one, and what marks it as deleted, are not.
    expect(await isThere()).toBe(true);
    expect(await round(1)).toEqual([]);
    expect(await round(1)).toEqual([]);
    // A process that starts says so too.
    restart();
    expect(await round(1)).toEqual(ALERT);
    isKept = false;
    expect(await round(1)).toEqual([]);
    expect(await isThere()).toBe(false);
  });

  test('each record has an alert of its own, and one that could not be told is told later', async () => {
    const { issue, round, record } = await upkeep(versionsStay(() => reply({ status: 204 })));
    expect(await round(60)).toEqual(ALERT);
    await issue();
    expect(await round(71)).toEqual([]);
    record.failing = true;
    await expect(round(1)).rejects.toThrow('the audit is full');
    record.failing = false;
    expect(await round(1)).toEqual(['session-day-left sessions/2026-06-04/one']);
    expect(await round(1)).toEqual([]);
  });

  test('a store that does not say which versions it has: one alert, for an older version may be left', async () => {
    const { round } = await upkeep((request) => (asks(request, 'versions') ? refusal(403, 'AccessDenied') : undefined));
    expect(await round(60)).toEqual(ALERT);
    expect(await round(1)).toEqual([]);
  });

  test('a store that has no versions at all: no alert, for nothing is left', async () => {
    const { isThere, round } = await upkeep(
      (request) => (asks(request, 'versions') ? refusal(501, 'NotImplemented') : undefined),
      { isVersioned: false },
    );
    expect(await round(60)).toEqual([]);
    expect(await isThere()).toBe(false);
  });
});

describe('what is to leave no version', () => {
  const withoutList: Answers = (request) => (asks(request, 'versions') ? refusal(501, 'NotImplemented') : undefined);

  test('goes from a store that has no versions at all', async () => {
    const { state } = await store(withoutList);
    await state.put('a', Buffer.from('1'), { ifAbsent: true }, signal());
    await state.shred('a', signal());
    expect(await state.get('a', signal())).toBeUndefined();
  });

  test('is not said to be gone by a store that made a version of it and lists none', async () => {
    const { state } = await store(withoutList, { isVersioned: true });
    await state.replace('a', Buffer.from('1'), signal()).catch(() => undefined);
    await expect(state.shred('a', signal())).rejects.toMatchObject({ code: 'ServiceUnavailable' });
  });

  test('is not said to be gone by a store that does not let anybody look', async () => {
    const { state } = await store((request) => (asks(request, 'versions') ? refusal(403, 'AccessDenied') : undefined));
    await state.put('a', Buffer.from('1'), { ifAbsent: true }, signal());
    await expect(state.shred('a', signal())).rejects.toMatchObject({ code: 'ServiceUnavailable' });
  });
});
