import { Command } from 'commander';
import { auditCommand } from './audit/audit.ts';
import { certificateCommand } from './certificate/certificate.ts';
import { clientCommand } from './client/client.ts';
import { configCommand } from './config/config.ts';
import { conformanceCommand } from './conformance/conformance.ts';
import { consoleCommand } from './console.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor/doctor.ts';
import { gatewayCommand } from './gateway.ts';
import { keysCommand } from './keys.ts';
import { registryCommand } from './registry/registry.ts';
import { reportCommand } from './report/report.ts';
import { sandboxCommand } from './sandbox.ts';
import { serveCommand } from './serve.ts';
import { completionCommand } from './shell/completion.ts';
import { versionCommand } from './shell/version.ts';
import { storeCommand } from './store/store.ts';
import { trustListCommand } from './trust-list/trust-list.ts';

/** The command `tallystick` with all its verbs. A wrong usage throws CommanderError. */
export function createProgram(): Command {
  const program: Command = new Command('tallystick')
    .description('Open Banking (FAPI / PSD2) authorization server with certificate-bound tokens')
    .exitOverride()
    .addCommand(sandboxCommand())
    .addCommand(certificateCommand())
    .addCommand(clientCommand())
    .addCommand(conformanceCommand())
    .addCommand(registryCommand())
    .addCommand(trustListCommand())
    .addCommand(reportCommand())
    .addCommand(demoCommand())
    .addCommand(auditCommand())
    .addCommand(serveCommand())
    .addCommand(gatewayCommand())
    .addCommand(keysCommand())
    .addCommand(storeCommand())
    .addCommand(consoleCommand())
    .addCommand(configCommand())
    .addCommand(doctorCommand())
    .addCommand(completionCommand(() => program))
    .addCommand(versionCommand());
  for (const command of program.commands.flatMap((one) => [one, ...one.commands])) command.exitOverride();
  return program;
}
