import type { Config } from '../../configuration/config.ts';
import { readConfig } from '../environment.ts';
import { fileChecks } from './file-checks.ts';
import { Findings, type Finding, findingsOf } from './findings.ts';
import { networkChecks } from './network-checks.ts';
import { processChecks } from './process-checks.ts';

/** With the start of the command and its end, less than 15 seconds. */
const CHECK_SECONDS = 10;

/** Runs every check of a configuration. Nothing is changed: no file is made, no list is fetched, nothing is stored. */
export async function examine(file: string): Promise<readonly Finding[]> {
  const findings = new Findings('configuration');
  let config: Config;
  try {
    config = await readConfig(file);
  } catch (error) {
    findings.failed(error, 'mend it, and check it with tallystick config validate');
    return findings.all;
  }
  findings.ok(`${file} is valid`);
  const checks = [...processChecks(config, file), ...fileChecks(config, file), ...networkChecks(config)];
  return [...findings.all, ...(await findingsOf(checks, CHECK_SECONDS))];
}
