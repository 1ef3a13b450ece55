/**
 * What a run of tests prints: failures, why tests were skipped, and a summary. Nine hundred lines of ticks hide a failure; they
 * are there with TEST_TICKS=1.
 */
import { DefaultReporter, type TestModule } from 'vitest/node';

export class QuietReporter extends DefaultReporter {
  override onTestModuleEnd(module: TestModule): void {
    if (module.state() === 'failed') super.onTestModuleEnd(module);
  }

  override onTestRunEnd(...[modules, errors, reason]: Parameters<DefaultReporter['onTestRunEnd']>): void {
    super.onTestRunEnd(modules, errors, reason);
    for (const line of skippedBecause(modules)) this.log(line);
  }
}

/** A line for each reason, with the number of tests and the first of them. */
function skippedBecause(modules: readonly TestModule[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const module of modules) {
    for (const test of module.children.allTests('skipped')) {
      const result = test.result();
      const reason = (result.state === 'skipped' ? result.note : undefined) ?? `as ${module.relativeModuleId} says`;
      byReason.set(reason, [...(byReason.get(reason) ?? []), test.fullName]);
    }
  }
  return [...byReason].map(
    ([reason, names]) => ` skipped: ${names.length}, ${reason} (${names[0]}${names.length > 1 ? ', ...' : ''})`,
  );
}
