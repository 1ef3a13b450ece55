/** A tenant with its keys, the state it stands in, and the commands about keys as they are run, with what they print. */
import type { HandingOutput } from '../../../proxy/cli/command-line.ts';
import { keyCommand } from '../../../proxy/cli/key.ts';
import type { KeyringDeps } from '../../../proxy/keyring/admin/change-keyring.ts';
import { secretAccessKeyOf } from '../../../proxy/keyring/slots/api-key.ts';
import { makeTenant, type SlotPlan } from '../../helpers/keyring-fixture.ts';
import { TenancyHarness } from '../../helpers/tenancy-harness.ts';

/** What a command printed and returned. */
export interface Printed {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

export type KeyCommandBench = Awaited<ReturnType<typeof openKeyCommands>>;

/** `handOver` takes what is handed over in the place of standard output. */
export async function into(
  work: (o: HandingOutput) => Promise<number>,
  handOver?: (text: string) => Promise<void>,
): Promise<Printed> {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await work({
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    handOver: handOver ?? (async (text) => void out.push(text)),
  });
  return { code, out, err };
}

/** The one line of JSON that was printed. */
export const json = (printed: Printed) => JSON.parse(printed.out[0] ?? '');

export async function openKeyCommands(slots: readonly SlotPlan[] = [{ label: 'first' }]) {
  const harness = new TenancyHarness();
  const fixture = await makeTenant({ sealKeys: harness.sealKeys, slots });
  harness.store(fixture.keyring);
  const [key] = fixture.keys;
  if (key === undefined) throw new Error('The fixture has a key.');
  const secretAccessKey = key.apiKey.type === 'generated' ? secretAccessKeyOf(key.apiKey) : '';
  const environment: NodeJS.ProcessEnv = {
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  const deps: KeyringDeps = {
    ...harness.deps,
    onChange: (tenant) => harness.tenancy.invalidate(tenant),
  };
  const signal = new AbortController().signal;
  async function* stdinOf(text: string) {
    yield Buffer.from(text);
  }
  const run = (
    args: readonly string[],
    o: {
      stdin?: string;
      environment?: NodeJS.ProcessEnv;
      deps?: KeyringDeps;
      handOver?: (text: string) => Promise<void>;
    } = {},
  ) =>
    into((output) => {
      const from = { environment: o.environment ?? environment, stdin: stdinOf(o.stdin ?? '') };
      return keyCommand(args, { ...output, ...from, deps: o.deps ?? deps, signal });
    }, o.handOver);
  const resolved = async (id: string) => harness.tenancy.open(await harness.tenancy.resolve(id, signal), signal);
  const outcome = (id: string) =>
    resolved(id).then(
      () => 'opened',
      (error: unknown) => String((error as { code?: unknown }).code),
    );
  return {
    harness,
    fixture,
    key,
    tenant: fixture.tenant,
    deps,
    run,
    resolved,
    outcome,
    environment,
    secretAccessKey,
    signal,
  };
}
