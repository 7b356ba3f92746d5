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

/** The checks of this machine, for servers and gateways. */
export function machineChecks(): readonly Check[] {
  return [
    {
      name: 'environment',
      advice: 'start without it: unset the variable, or take the flag away',
      run: (findings) => {
        refuseUnsafeEnvironment();
        findings.ok('no variable or flag of Node weakens TLS or opens a debugger');
      },
    },
    {
      name: 'descriptors',
      advice: 'raise `ulimit -n`: LimitNOFILE of systemd, --ulimit nofile of a container',
      run: (findings) => {
        const limit = descriptorLimit();
        if (limit >= FEW_DESCRIPTORS) findings.ok(`${limit} files and connections may be open`);
        else findings.warning(`only ${limit} files and connections may be open at a time`);
      },
    },
  ];
}

/** The checks of the process that a server would be. */
export function processChecks(config: Config, source: string): readonly Check[] {
  return [
    ...machineChecks(),
    {
      name: 'node',
      advice: 'name them in intermediatesFile, or run another release of Node',
      run: async (findings) => {
        if (await isClientChainKept()) findings.ok(`Node ${process.version} shows the chains of clients`);
        else {
          findings.warning(`Node ${process.version} hides the intermediate certificates that a TPP sends`);
        }
      },
    },
    {
      name: 'workers',
      advice: 'lower workers',
      run: (findings) => {
        const cores = availableParallelism();
        const shown = `workers: ${config.workers}, cores: ${cores}`;
        if (config.workers <= cores) findings.ok(shown);
        else findings.warning(`${shown}: the processes wait for each other`);
      },
    },
    {
      name: 'module',
      advice: 'mend the module (docs/bank-module.md), or aspspModule',
      run: async (findings) => {
        const aspsp = await loadAspsp(config, { source, seconds: MODULE_SECONDS });
        findings.ok(
          aspsp === undefined ? 'the application of the bank asks customers' : `loads: ${aspsp.name}`,
        );
      },
    },
  ];
}
