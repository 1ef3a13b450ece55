/** The setting about approvals: which commands need them, whatever the state says. */
import { type ApprovalAction, NAMEABLE_ACTIONS } from '../keyring/approvals/actions.ts';
import { ConfigError, type Settings } from './settings.ts';

/** @throws ConfigError */
export function approvals(settings: Settings): readonly ApprovalAction[] {
  const names = (settings['SEALGATE_APPROVALS'] ?? '').split(',').map((name) => name.trim());
  return [...new Set(names.filter((name) => name !== ''))].map((name) => {
    const action = NAMEABLE_ACTIONS.find((one) => one === name);
    if (action !== undefined) return action;
    throw new ConfigError('SEALGATE_APPROVALS', `must be a list of ${NAMEABLE_ACTIONS.join(', ')}`);
  });
}
