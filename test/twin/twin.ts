/**
 * The twin harness: the same requests to a bare store and to the proxy in front of another instance of that store, and every
 * place in which the replies differ. This file is what sequences are run with:
 *
 *   const twin = await openTwin({ store: 'moto-strict' });      // undefined: not installed
 *   const result = await twin.run({ name: 'a PUT and its GET', steps: [
 *     { method: 'PUT', key: 'k', body: 'text', save: { v: 'header:x-amz-version-id' } },
 *     { method: 'GET', key: 'k', query: [['versionId', '{{v}}']] },
 *   ] });
 *   result.unexplained;                                          // [] when both sides agree
 *   await minimal(twin, sequence);                               // shrink.ts: the shortest sequence that still differs
 *   twin.ledger;                                                 // requests compared, allowed differences by name
 *
 * A sequence is data (request.ts). Each run of it has a bucket of its own, of the same name on both sides, made first; so
 * sequences do not see each other and can be repeated, cut and shuffled. Values that differ by nature are bound by `save` for
 * later requests, and by names.ts for the comparison. What is in allowed.ts is counted and not reported; after a write that only
 * one side takes, the sequence ends: from there on the sides hold different things. Requests of one step given as a list are in
 * flight at once on each side, and their replies are compared as a set (in the order of their outcomes).
 */
import type { EtagMode } from '../../proxy/object/etags.ts';
import { OPAQUE } from './allowed/opaque.ts';
import { ALLOWED, type Allowed } from './allowed.ts';
import { compareReplies, outcomeOf } from './compare.ts';
import { type Difference, type Exchange, operationOf, type StoreName } from './difference.ts';
import { TwinEtags } from './etags.ts';
import { Ledger } from './ledger.ts';
import { Names } from './names.ts';
import { type Side, type TwinRequest, wireRequest } from './request.ts';
import { headerOf, sendWire, type TwinReply } from './send.ts';
import { openSides } from './sides.ts';
import { parseXmlTree, textAt } from './xml-tree.ts';

export type Step = TwinRequest | readonly TwinRequest[];

export interface Sequence {
  readonly name: string;
  /** Of the bucket that is made first. */
  readonly bucket?: { readonly versioning?: 'Enabled' | 'Suspended'; readonly lock?: true };
  readonly steps: readonly Step[];
  /** Stores on which it says something; all when left out. */
  readonly stores?: readonly StoreName[];
}

export interface Unexplained {
  /** Index in `steps`; -1 for the making of the bucket. */
  readonly step: number;
  readonly request: TwinRequest;
  readonly difference: Difference;
}

export interface SequenceResult {
  readonly unexplained: readonly Unexplained[];
  /** Both replies to each request, in order. */
  readonly exchanges: readonly Exchange[];
}

export interface RunOptions {
  /** Leaves the ledger as it is. */
  readonly quietly?: boolean;
  /** Goes on after a step with a difference that is not allowed. */
  readonly toTheEnd?: boolean;
}

export interface Twin {
  readonly store: StoreName;
  readonly ledger: Ledger;
  /** Stops at the first step with a difference that is not allowed, and after a write that one side alone took. */
  run(sequence: Sequence, o?: RunOptions): Promise<SequenceResult>;
  close(): Promise<void>;
}

export interface TwinOptions {
  readonly store: StoreName;
  readonly allowed?: readonly Allowed[];
  /** Of the proxy's buckets; MD5s by default. */
  readonly etags?: EtagMode;
  /** How names of buckets begin; `twin` by default. */
  readonly buckets?: string;
}

/** `undefined`, with one printed line, when the store is not installed. */
export async function openTwin(o: TwinOptions): Promise<Twin | undefined> {
  const sides = await openSides(o.store, o);
  if (sides === undefined) return undefined;
  return twinOf({ ...o, bare: sides.bare, proxy: sides.proxy, close: () => sides.close() });
}

/** On any two endpoints: the harness's own tests give it ones that differ on purpose. */
export function twinOf(o: TwinOptions & { bare: Side; proxy: Side; close(): Promise<void> }): Twin {
  const { store, bare, proxy } = o;
  const ledger = new Ledger();
  const hosts = { bare: new URL(bare.endpoint).host, proxy: new URL(proxy.endpoint).host };
  const rules = [...(o.etags === 'opaque' ? OPAQUE : []), ...(o.allowed ?? ALLOWED)];
  let runs = 0;

  async function run(
    sequence: Sequence,
    { quietly = false, toTheEnd = false }: RunOptions = {},
  ): Promise<SequenceResult> {
    runs += 1;
    const bucket = `${o.buckets ?? 'twin'}-${runs}`;
    const values = { bare: new Map([['bucket', bucket]]), proxy: new Map([['bucket', bucket]]) };
    const names = new Names();
    const otherEtags = new Set<string>();
    const etags = o.etags === 'opaque' ? new TwinEtags() : undefined;
    const exchanges: Exchange[] = [];
    const unexplained: Unexplained[] = [];
    let isApart = false;
    const made = bucketSteps(sequence);
    for (const [index, step] of [...made, ...sequence.steps].entries()) {
      const requests = 'method' in step ? [step] : step;
      const [fromBare, fromProxy] = await Promise.all([
        Promise.all(requests.map((request) => ask(request, bare, values.bare))),
        Promise.all(requests.map((request) => ask(etags?.translated(request) ?? request, proxy, values.proxy))),
      ]);
      if (requests.length > 1) for (const replies of [fromBare, fromProxy]) replies.sort(byOutcome);
      for (const [i, request] of requests.entries()) {
        const [one, other] = [fromBare[i], fromProxy[i]];
        if (one === undefined || other === undefined) throw new Error('a reply is missing');
        const sides = { bare: one, proxy: other };
        etags?.learn(request, one, other);
        const bound = { otherEtags, ...(etags === undefined ? {} : { etags }) };
        const exchange: Exchange = { store, request, operation: operationOf(request), ...sides, ...bound };
        exchanges.push(exchange);
        if (!quietly) ledger.compared(exchange);
        isApart ||= wroteApart(exchange);
        for (const difference of compareReplies(exchange, { names, hosts })) {
          if (etags === undefined && /etag$/i.test(difference.at))
            otherEtags.add((difference.bare ?? '').replaceAll('"', ''));
          const rule = rules.find((allowed) => isAllowed(allowed, difference, exchange));
          if (rule === undefined) unexplained.push({ step: index - made.length, request, difference });
          else if (!quietly) ledger.allow(rule.name);
        }
      }
      if (isApart || (unexplained.length > 0 && !toTheEnd)) break;
    }
    return { unexplained, exchanges };
  }

  return { store, ledger, run, close: o.close };
}

/** A write that one side took and the other refused: from here on they hold different things. */
function wroteApart({ request, bare, proxy }: Exchange): boolean {
  const isWrite = request.method !== 'GET' && request.method !== 'HEAD';
  return isWrite && bare.status < 300 !== proxy.status < 300;
}

function isAllowed(rule: Allowed, difference: Difference, exchange: Exchange): boolean {
  return (rule.stores?.includes(exchange.store) ?? true) && rule.allows(difference, exchange);
}

async function ask(request: TwinRequest, side: Side, values: Map<string, string>): Promise<TwinReply> {
  const reply = await sendWire(side.endpoint, wireRequest(request, side, values));
  for (const [name, where] of Object.entries(request.save ?? {})) {
    // What a refusal names, such as the version of a source, is not what the request made.
    const value = reply.status < 300 ? valueAt(reply, where) : undefined;
    // Absent on one side alone shows in the comparison; a later request says plainly that it had nothing to send.
    values.set(name, value ?? `nothing-at-${where.replaceAll(/[^A-Za-z0-9]/g, '-')}`);
  }
  return reply;
}

function valueAt(reply: TwinReply, where: string): string | undefined {
  if (where.startsWith('header:')) return headerOf(reply, where.slice('header:'.length));
  const document = parseXmlTree(reply.body.toString('utf8'));
  return document === undefined ? undefined : textAt(document, where.replace(/^xml:/, ''));
}

const byOutcome = (a: TwinReply, b: TwinReply): number => outcomeOf(a).localeCompare(outcomeOf(b));

function bucketSteps({ bucket = {} }: Sequence): readonly TwinRequest[] {
  const headers = bucket.lock === true ? ([['x-amz-bucket-object-lock-enabled', 'true']] as const) : [];
  const made: TwinRequest = { method: 'PUT', headers };
  if (bucket.versioning === undefined) return [made];
  const versioning = (status: string): TwinRequest => {
    const body = `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>${status}</Status></VersioningConfiguration>`;
    return { method: 'PUT', query: 'versioning', body };
  };
  return bucket.versioning === 'Enabled'
    ? [made, versioning('Enabled')]
    : [made, versioning('Enabled'), versioning('Suspended')];
}
