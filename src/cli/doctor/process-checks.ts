import { availableParallelism } from 'node:os';
import type { Config } from '../../configuration/config.ts';
import { descriptorLimit } from '../../mutual-tls/limits/descriptor-limit.ts';
import { isClientChainKept } from '../../server/client-chain-check.ts';
import { loadAspsp } from '../aspsp-module.ts';
import { refuseUnsafeEnvironment } from '../process.ts';
import type { Check } from './findings.ts';

/** Below this, connections are refused earlier than memory asks for. */
const FEW_DESCRIPTORS = 4096;
const MODULE_SECONDS = 8;

/** The checks of this machine and of the process that a server would be. */
export function processChecks(config: Config, source: string): readonly Check[] {
  return [
    {
      name: 'environment',
      run: (findings) => {
        refuseUnsafeEnvironment();
        findings.ok('no variable or flag of Node weakens TLS or opens a debugger');
      },
    },
    {
      name: 'node',
      run: async (findings) => {
        if (await isClientChainKept()) findings.ok(`Node ${process.version} shows the chains of clients`);
        else {
          findings.warning(
            `Node ${process.version} hides the intermediate certificates that a TPP sends`,
            'name them in intermediatesFile, or run another release of Node',
          );
        }
      },
    },
    {
      name: 'descriptors',
      run: (findings) => {
        const limit = descriptorLimit();
        if (limit >= FEW_DESCRIPTORS) findings.ok(`${limit} files and connections may be open`);
        else {
          const advice = 'raise `ulimit -n`: LimitNOFILE of systemd, --ulimit nofile of a container';
          findings.warning(`only ${limit} files and connections may be open at a time`, advice);
        }
      },
    },
    {
      name: 'workers',
      run: (findings) => {
        const cores = availableParallelism();
        const shown = `workers: ${config.workers}, cores: ${cores}`;
        if (config.workers <= cores) findings.ok(shown);
        else findings.warning(`${shown}: the processes wait for each other`, 'lower workers');
      },
    },
    {
      name: 'module',
      run: async (findings) => {
        const aspsp = await loadAspsp(config, { source, seconds: MODULE_SECONDS });
        findings.ok(
          aspsp === undefined ? 'the application of the bank asks customers' : `loads: ${aspsp.name}`,
        );
      },
    },
  ];
}
