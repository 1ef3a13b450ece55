/** Differences grouped by place, for a first look at a store: how often each occurs, and one example. */
import { type Difference, operationOf } from './difference.ts';
import type { TwinRequest } from './request.ts';

export class Survey {
  readonly #groups = new Map<string, { times: number; readonly example: string }>();

  /** `outcome`: of the bare store, where groups are to be told apart by it. */
  add(o: { request: TwinRequest; difference: Difference; example: string; outcome?: string }): void {
    const { at, bare, proxy } = o.difference;
    const operation = [operationOf(o.request), ...(o.outcome === undefined ? [] : [o.outcome])].join(' ');
    const place = [operation, at.replaceAll(/\[\d+\]/g, ''), brief(bare), brief(proxy)].join(' ~ ');
    const group = this.#groups.get(place) ?? { times: 0, example: o.example };
    group.times += 1;
    this.#groups.set(place, group);
  }

  lines(): readonly string[] {
    return [...this.#groups].sort().map(([place, { times, example }]) => `${times} x ${place}   [${example}]`);
  }
}

/** Without what differs from run to run. */
function brief(value: string | undefined): string {
  if (value === undefined) return '-';
  return JSON.stringify(
    value
      .replaceAll(/\d\d:\d\d:\d\d(\.\d+)?/g, 'TIME')
      .replaceAll(/twin-\d+/g, 'twin-N')
      .replaceAll(/[\w+/=-]{25,}/g, '(id)')
      .slice(0, 100),
  );
}
