import type { Result } from '../../certificate-conformance/rules.ts';
import { countsOf } from './result-text.ts';

/** The results as JUnit XML: a test case for each rule and way; what was not tried is skipped. */
export function junitXml(
  results: readonly Result[],
  { target, at }: { readonly target: string; readonly at: Date },
): string {
  const { failed, notTried } = countsOf(results);
  const suite = attributes({
    name: `TPP certificates: ${target}`,
    tests: results.length,
    failures: failed,
    skipped: notTried,
    timestamp: at.toISOString(),
  });
  const lines = results.map(testCase);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n<testsuite${suite}>\n${lines.join('\n')}\n</testsuite>\n</testsuites>\n`;
}

function testCase({ rule, way, outcome, answer }: Result): string {
  const name = attributes({ classname: way, name: `${rule.id}: ${rule.title} (${rule.clause})` });
  return `<testcase${name}>${inside(outcome, answer)}</testcase>`;
}

function inside(outcome: Result['outcome'], answer: string): string {
  switch (outcome) {
    case 'passed':
      return `<system-out>${escaped(answer)}</system-out>`;
    case 'failed':
      return `<failure${attributes({ message: answer })}/>`;
    case 'not tried':
      return `<skipped${attributes({ message: answer })}/>`;
  }
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join('');
}

/** For XML 1.0, which has no other control characters than tab and ends of lines. */
function escaped(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
