/** Settings for what the S3 listener accepts from its clients. */
import type { Rate } from '../access/rates/gcra.ts';
import type { Rates } from '../access/rates/rate-limits.ts';
import { MAX_RATE, MAX_RATE_BURST } from '../address-limits.ts';
import { addressBlocks, InvalidBlock } from '../http/addresses.ts';
import { ConfigError, type Settings, type Variable } from './settings.ts';

/** Addresses and blocks, separated by commas. @throws ConfigError */
export function trustedProxies(settings: Settings): readonly string[] {
  const name = 'SEALGATE_TRUSTED_PROXIES';
  const blocks = (settings[name] ?? '')
    .split(',')
    .map((block) => block.trim())
    .filter((block) => block !== '');
  try {
    addressBlocks(blocks);
    return blocks;
  } catch (error) {
    if (!(error instanceof InvalidBlock)) throw error;
    throw new ConfigError(name, error.message.replace(/\.$/, ''));
  }
}

/** @throws ConfigError */
export function rates(settings: Settings): Rates {
  return {
    address: rate(settings, 'SEALGATE_RATE_ADDRESS'),
    tenant: rate(settings, 'SEALGATE_RATE_TENANT'),
    key: rate(settings, 'SEALGATE_RATE_KEY'),
  };
}

/** `100`: requests a second, and as many at once; `100:500`: up to 500 at once; `0.5`: one in two seconds. */
function rate(settings: Settings, name: Variable): Rate | undefined {
  const text = settings[name] ?? 'off';
  if (text === 'off') return undefined;
  const [, requests, atOnce] = /^(\d{1,6}(?:\.\d{1,3})?)(?::(\d{1,7}))?$/.exec(text) ?? [];
  const perSecond = Number(requests);
  const burst = atOnce === undefined ? Math.max(1, Math.ceil(perSecond)) : Number(atOnce);
  if (perSecond > 0 && perSecond <= MAX_RATE && burst >= 1 && burst <= MAX_RATE_BURST) return { perSecond, burst };
  throw new ConfigError(
    name,
    `must be off, or requests a second such as 100 or 0.5, at most ${MAX_RATE}; with a burst 100:500, at most ${MAX_RATE_BURST}`,
  );
}
