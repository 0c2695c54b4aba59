import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take many minutes each, the longest first. A clean clone has no times to go by, and would go by the size of the files. */
const LONG = ['documents', 'documents-networking', 'guests-boot', 'faults', 'four-ways', 'scrub', 'lifecycle'].map(
  (name) => `${name}.test.ts`,
);

/** Starts the longest files first, so that no worker is left alone with one at the end. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => LONG.indexOf(basename(moduleId)) + 1 || LONG.length + 1;
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
