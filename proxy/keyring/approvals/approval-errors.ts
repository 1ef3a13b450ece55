/** Why something that needs approvals is not done, in words for whoever asked for it. Branch on `code`. */
import { KeyError } from '../admin/key-errors.ts';

/** The request stands, and is not approved yet. */
export class ApprovalNeeded extends KeyError {
  readonly code = 'APPROVAL_NEEDED';
  /** 24 hex digits. */
  readonly id: string;
  constructor(id: string, message: string) {
    super(message);
    this.id = id;
  }
}

/** The approval cannot be had, or cannot be used: the message says why. */
export class ApprovalRefused extends KeyError {
  readonly code = 'APPROVAL_REFUSED';
}

/** There is no request of that id, or the stored one is none that this deployment made. */
export class UnknownApproval extends KeyError {
  readonly code = 'UNKNOWN_APPROVAL';
  constructor(id: string) {
    super(`There is no request ${id} for approval.`);
  }
}

/** The stored approvers are none that the operator wrote last. */
export class ApproversTampered extends KeyError {
  readonly code = 'APPROVERS_TAMPERED';
  /** The seal key that the record names, where that key is not configured. */
  readonly missingKid: string | undefined;
  constructor(message: string, o: { missingKid?: string } = {}) {
    super(message);
    this.missingKid = o.missingKid;
  }
}

/** Somebody else changed the approvers at the same time. Nothing was written. */
export class ApproversConflict extends KeyError {
  readonly code = 'APPROVERS_CONFLICT';
  constructor() {
    super('The approvers were changed at the same time. Look at them, and run again.');
  }
}
