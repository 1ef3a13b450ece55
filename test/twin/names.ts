/**
 * Values that differ by nature on two stores (version ids, upload ids, tokens): each pair that is seen once is bound, and from
 * then on either value stands for the other. A value that comes back with another partner is a difference.
 */
export type NameKind = 'version' | 'upload' | 'token' | 'account';

export class Names {
  readonly #toProxy = new Map<string, string>();
  readonly #toBare = new Map<string, string>();
  readonly #labels = new Map<string, string>();

  /** Whether the two may stand for each other; binds a pair that was not seen before. */
  same(kind: NameKind, bare: string, proxy: string): boolean {
    // S3's word for the version of an unversioned write, and the empty word, are no names.
    if (bare === 'null' || proxy === 'null' || bare === '' || proxy === '') return bare === proxy;
    const keys = { bare: `${kind}\n${bare}`, proxy: `${kind}\n${proxy}` };
    const known = this.#toProxy.get(keys.bare);
    const reverse = this.#toBare.get(keys.proxy);
    if (known !== undefined || reverse !== undefined) return known === proxy && reverse === bare;
    this.#toProxy.set(keys.bare, proxy);
    this.#toBare.set(keys.proxy, bare);
    const label = `${kind}#${this.#toProxy.size}`;
    this.#labels.set(keys.bare, label).set(keys.proxy, label);
    return true;
  }

  /** `version#3` for a bound value, for messages. */
  label(kind: NameKind, value: string): string | undefined {
    return this.#labels.get(`${kind}\n${value}`);
  }
}
