import { conformanceCommand } from './conformance-command.ts';

process.exitCode = await conformanceCommand(process.argv.slice(2));
