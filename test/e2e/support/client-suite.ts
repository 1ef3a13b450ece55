/**
 * Runs one client's checks on every installed version of it and on every stage, records each outcome for the compatibility
 * page, and ends each stage with the search for secrets. What is not installed is said in one line, never left out silently.
 */
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CheckResult, writeResults } from './results.ts';
import { sdkClient } from './sdk-client.ts';
import { Stage } from './stage.ts';
import { isInstalled, type StoreName } from './store-under-test.ts';

/** One installed version of a client. */
export interface Tool {
  /** Program, or interpreter; '' for a library in this process. */
  readonly command: string;
  readonly version: string;
}

export interface StageChoice {
  readonly store: StoreName;
  readonly transport: 'http' | 'https';
  /** MD5s when absent. */
  readonly etags?: 'opaque';
}

/** Thrown by a check that this version of the client cannot do. */
export class LeftOut extends Error {}

/** Resolves when the client and the program agreed; a returned text is a remark for the page. */
export type Check = (c: { readonly stage: Stage; readonly tool: Tool }) => Promise<string | undefined> | Promise<void>;

export interface ClientSuite {
  readonly client: string;
  /** Installed versions, the main one first. It runs on all stages, the others on the embedded store. */
  readonly tools: readonly Tool[];
  readonly stages: readonly StageChoice[];
  readonly checks: Readonly<Record<string, Check>>;
  /**
   * The main version passes the checks where buckets have opaque ETags too (docs/etags.md), `except` those that compare an ETag with
   * an MD5.
   */
  readonly opaque?: { readonly except: readonly string[] };
}

export const EVERY_STAGE: readonly StageChoice[] = [
  { store: 'embedded store', transport: 'http' },
  { store: 'embedded store', transport: 'https' },
  { store: 'MinIO', transport: 'http' },
  { store: 'moto', transport: 'http' },
];

const OPAQUE_STAGE: StageChoice = { store: 'embedded store', transport: 'http', etags: 'opaque' };

/** @throws Error for a name that no check has */
function allBut(checks: ClientSuite['checks'], except: readonly string[]): ClientSuite['checks'] {
  const unknown = except.find((name) => checks[name] === undefined);
  if (unknown !== undefined) throw new Error(`there is no check '${unknown}'`);
  return Object.fromEntries(Object.entries(checks).filter(([name]) => !except.includes(name)));
}

export function clientSuite(o: ClientSuite): void {
  const results: CheckResult[] = [];
  if (o.tools.length === 0) {
    console.log(`${o.client} is not installed: its tests are left out`);
    writeResults({ client: o.client, skipped: 'not installed', checks: [] });
    test.skipIf(true)(`${o.client} is not installed`, () => undefined);
    return;
  }
  for (const [index, tool] of o.tools.entries()) {
    for (const choice of o.stages) {
      if (index > 0 && choice.store !== 'embedded store') continue;
      runOn({ ...o, tool, choice, results });
    }
  }
  const [main] = o.tools;
  if (main !== undefined && o.opaque !== undefined) {
    const checks = allBut(o.checks, o.opaque.except);
    // The page has what a client does by default: docs/etags.md has these.
    runOn({ ...o, checks, tool: main, choice: OPAQUE_STAGE, results: [] });
  }
  afterAll(() => writeResults({ client: o.client, checks: results }));
}

function runOn(o: ClientSuite & { tool: Tool; choice: StageChoice; results: CheckResult[] }): void {
  const { tool, choice, client } = o;
  const title = `${client} ${tool.version} over ${choice.transport} on ${choice.store}${choice.etags === undefined ? '' : ', opaque ETags'}`;
  if (!isInstalled(choice.store)) {
    console.log(`${choice.store} is not installed: ${title} is left out`);
    test.skipIf(true)(title, () => undefined);
    return;
  }
  describe(title, () => {
    let stage: Stage;
    let opened: Stage | undefined;
    beforeAll(async () => {
      const settings = choice.etags === undefined ? {} : { SEALGATE_ETAGS: choice.etags, SEALGATE_LEGACY: 'deny' };
      stage = await Stage.open({ ...choice, settings });
      opened = stage;
      await createBucket(stage);
    });
    afterAll(() => opened?.close());
    const common = { client, version: tool.version, backend: choice.store, transport: choice.transport };
    for (const [check, run] of Object.entries(o.checks)) {
      test(check, async (context) => {
        const record = (outcome: CheckResult['outcome'], note?: string) =>
          o.results.push({ ...common, check, outcome, ...(note !== undefined && { note }) });
        try {
          record('passed', (await run({ stage, tool })) ?? undefined);
        } catch (error) {
          if (!(error instanceof LeftOut)) {
            record('failed');
            throw error;
          }
          record('left out', error.message);
          console.log(`${title}: ${check}: left out: ${error.message}`);
          context.skip(error.message);
        }
      });
    }
    test('the store and the log show no content, digest, API key or access key id', () => expectNothingExposed(stage));
  });
}

/** The search must be able to find something: the bucket's name, which is visible by design. */
export async function expectNothingExposed(stage: Stage): Promise<void> {
  const { findings, places, bytes, sees } = await stage.search();
  expect(findings).toEqual([]);
  expect(sees, 'the search does not see what is stored').toBe(true);
  expect(places).toBeGreaterThan(1);
  expect(bytes).toBeGreaterThan(1024);
}

export async function createBucket(stage: Stage): Promise<void> {
  const client = sdkClient(stage);
  await client.send(new CreateBucketCommand({ Bucket: stage.bucket }));
  client.destroy();
}
