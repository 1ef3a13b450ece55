/** A sequence and a difference as a person can read and repeat them. */
import { operationOf } from './difference.ts';
import type { TwinRequest } from './request.ts';
import { md5Hex } from './request.ts';
import type { Sequence, Step, Unexplained } from './twin.ts';

export function printSequence(sequence: Sequence): string {
  const { bucket } = sequence;
  const kind = bucket === undefined ? '' : ` (${JSON.stringify(bucket)})`;
  return [`  in a new bucket${kind}:`, ...sequence.steps.map((step, i) => `  ${i + 1}. ${printStep(step)}`)].join('\n');
}

export function printDifference({ request, difference }: Unexplained): string {
  const { at, bare, proxy } = difference;
  return [`  ${printRequest(request)}`, `  ${at}`, `    store: ${show(bare)}`, `    proxy: ${show(proxy)}`].join('\n');
}

/** On one line, for the end of a run. */
export function printPlace(where: string, { step, request, difference }: Unexplained): string {
  const { at, bare, proxy } = difference;
  return `${where}, step ${step + 1}, ${operationOf(request)}: ${at}, store ${show(bare)}, proxy ${show(proxy)}`;
}

function show(value: string | undefined): string {
  return value === undefined ? '(not there)' : JSON.stringify(value.length > 400 ? `${value.slice(0, 400)}...` : value);
}

function printStep(step: Step): string {
  return 'method' in step ? printRequest(step) : `at once: ${step.map(printRequest).join('  ||  ')}`;
}

export function printRequest(request: TwinRequest): string {
  const { method, bucket, key, path, query = '', headers = [], body, save, compare: _, ...rest } = request;
  const where = path ?? `${bucket === undefined ? '' : `[${bucket}]`}${key === undefined ? '/' : `/${key}`}`;
  const text = typeof query === 'string' ? query : query.map((pair) => pair.join('=')).join('&');
  return [
    `${method} ${where.length > 120 ? `${where.slice(0, 120)}...` : where}${text === '' ? '' : `?${text}`}`,
    ...headers.map(([name, value]) => `${name}: ${value.length > 80 ? `${value.slice(0, 80)}...` : value}`),
    ...(body === undefined ? [] : [`body ${printBody(body)}`]),
    ...(Object.keys(rest).length === 0 ? [] : [JSON.stringify(rest)]),
    ...(save === undefined ? [] : [`saves ${Object.keys(save).join(', ')}`]),
  ].join(' | ');
}

function printBody(body: Buffer | string): string {
  const size = Buffer.byteLength(body);
  return size > 400 || Buffer.isBuffer(body) ? `of ${size} bytes, MD5 ${md5Hex(body)}` : JSON.stringify(body);
}
