// sum-tests.mjs REPORT [FAILED STEP...]: vitest's JSON report and the steps that failed before it, as one line and an exit code.
import { readFileSync } from 'node:fs';

const [report, ...failedSteps] = process.argv.slice(2);
const { passed, failed, skipped, broken } = readReport(report);
for (const name of [...failedSteps, ...broken]) console.log(`failed: ${name}`);
const failures = failed + failedSteps.length + broken.length;
// A missing tool is an error in CI, not a skip.
const intolerable = process.env.CI ? skipped : 0;
if (intolerable > 0) console.log('failed: in CI no test may be skipped');
console.log(`${passed} passed, ${failures} failed, ${skipped} skipped`);
process.exitCode = failures + intolerable > 0 || passed === 0 ? 1 : 0;

/** A file that fails outside its tests (an import, a hook) has no failed test of its own: it counts as one. */
function readReport(path) {
  let json;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { passed: 0, failed: 0, skipped: 0, broken: ['the tests did not run to their end'] };
  }
  const broken = json.testResults
    .filter((file) => file.status === 'failed' && !file.assertionResults.some((one) => one.status === 'failed'))
    .map((file) => `${file.name}: ${file.message}`);
  return {
    passed: json.numPassedTests,
    failed: json.numFailedTests,
    skipped: json.numPendingTests + json.numTodoTests,
    broken,
  };
}
