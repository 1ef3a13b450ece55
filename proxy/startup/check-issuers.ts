/**
 * Checks the OpenID Connect issuers of the settings: whether the keys of each can be read now, and whose tokens could be anybody's.
 */
import { type Issuer, sharedAudiences } from '../access/oidc/issuers.ts';
import { KeySet } from '../access/oidc/key-set.ts';
import { ok, type Tell, warning } from './finding.ts';

const SETTING = 'SEALGATE_OIDC_ISSUERS';

export async function checkIssuers(issuers: readonly Issuer[], tell: Tell): Promise<void> {
  for (const issuer of issuers) {
    const reason = await failureOf(issuer);
    if (reason === undefined) tell(ok(SETTING, `the keys of ${issuer.issuer} can be read`));
    else
      tell(
        warning(
          SETTING,
          `the keys of ${issuer.issuer} cannot be read: ${reason}`,
          'Its tokens are refused until they can',
        ),
      );
  }
  for (const audience of sharedAudiences(issuers)) {
    const text = `the audience ${audience} is accepted elsewhere too: whoever receives such a token there could use it here`;
    tell(warning(SETTING, text, 'Have the issuer make tokens for an audience of this deployment alone'));
  }
}

async function failureOf({ jwks }: Issuer): Promise<string | undefined> {
  let reason = 'unknown';
  const onFailure = (error: unknown) => {
    reason = error instanceof Error ? error.message : 'unknown';
  };
  const keySet = new KeySet({ location: jwks, now: () => Date.now(), onFailure });
  return keySet.keysFor(undefined).then(
    () => undefined,
    () => reason.replace(/\.$/, ''),
  );
}
