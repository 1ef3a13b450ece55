/**
 * What a call answers: the code of the FormatError that it throws, or `success`. Any other error is a defect and is thrown.
 */
import { FormatError } from '../../crypto/errors.ts';

export function codeOf(call: () => unknown): string {
  try {
    call();
    return 'success';
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
}

export async function codeOfAsync(call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
    return 'success';
  } catch (error) {
    if (error instanceof FormatError) return error.code;
    throw error;
  }
}
