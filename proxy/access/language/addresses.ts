/** Blocks of addresses as a policy names them. */
import { addressBlocks, type InBlocks, InvalidBlock } from '../../http/addresses.ts';
import { MalformedPolicyDocument } from './malformed.ts';

/** @throws MalformedPolicyDocument */
export function compileBlocks(blocks: readonly string[]): InBlocks {
  try {
    return addressBlocks(blocks);
  } catch (error) {
    if (error instanceof InvalidBlock) throw new MalformedPolicyDocument(error.message);
    throw error;
  }
}
