import type { Config } from '../../configuration/config.ts';
import type { GatewayConfig } from '../../configuration/gateway-config.ts';
import { readConfig, readGatewayConfig } from '../environment.ts';
import { fileChecks } from './file-checks.ts';
import { type Check, Findings, type Finding, findingsOf } from './findings.ts';
import { gatewayChecks } from './gateway-checks.ts';
import { networkChecks } from './network-checks.ts';
import { processChecks } from './process-checks.ts';
import { responderCheck } from './responder-check.ts';

/** With the start of the command and its end, less than 15 seconds. */
const CHECK_SECONDS = 10;

interface ExaminationOptions {
  /** Values over those of file and environment. */
  readonly settings?: readonly string[];
  /** Files of certificates of TPPs. */
  readonly certificates?: readonly string[];
}

/** Runs every check of a configuration. Nothing is changed: no file is made, no list is fetched, nothing is stored. */
export function examine(
  file: string,
  { settings = [], certificates = [] }: ExaminationOptions = {},
): Promise<readonly Finding[]> {
  const checksOf = (config: Config) => [
    ...processChecks(config, file),
    ...fileChecks(config, file),
    ...networkChecks(config),
    responderCheck(config, certificates),
  ];
  return examineBy(file, () => readConfig(file, settings), checksOf);
}

/** The same for the configuration of a gateway. */
export function examineGateway(
  file: string,
  { settings = [] }: Pick<ExaminationOptions, 'settings'> = {},
): Promise<readonly Finding[]> {
  return examineBy(
    file,
    () => readGatewayConfig(file, settings),
    (config: GatewayConfig) => gatewayChecks(config, file),
  );
}

async function examineBy<T>(
  file: string,
  read: () => Promise<T>,
  checksOf: (config: T) => readonly Check[],
): Promise<readonly Finding[]> {
  const advice = 'mend it, and check it with tallystick config validate';
  const findings = new Findings({ name: 'configuration', advice });
  let config: T;
  try {
    config = await read();
  } catch (error) {
    findings.failed(error);
    return findings.all;
  }
  findings.ok(`${file} is valid`);
  return [...findings.all, ...(await findingsOf(checksOf(config), CHECK_SECONDS))];
}
