import { isIPv6 } from 'node:net';
import { Command, InvalidArgumentError, Option } from 'commander';
import { CERTIFICATE_DEMANDS, type CertificateDemand } from '../authorization-server/request/tpp-gate.ts';
import { curlLines } from '../sandbox/curl-lines.ts';
import type { SandboxRegisters } from '../sandbox/folder.ts';
import type { RunningSandbox } from '../sandbox/sandbox.ts';
import { sandboxRevokeCommand } from './sandbox/revoke.ts';
import { sandboxWithdrawCommand, sandboxWithdrawIssuerCommand } from './sandbox/withdraw.ts';
import { requireSandboxPackages } from './sandbox-packages.ts';
import { stopOnSignal } from './process.ts';

interface Flags {
  readonly dir: string;
  readonly reset?: true;
  readonly port?: number;
  readonly mtlsPort?: number;
  readonly resourcePort?: number;
  readonly tppPort?: number;
  readonly appPort?: number;
  readonly registerPort?: number;
  readonly revocationPort?: number;
  readonly host?: string;
  readonly redirectUri: readonly string[];
  readonly certificatesDemanded?: CertificateDemand;
  readonly tester?: string;
  readonly automateApprovals?: true;
  readonly passwordOnly?: true;
}

/** `tallystick sandbox`: everything in one process, to try and to test against. */
export function sandboxCommand(): Command {
  return new Command('sandbox')
    .description('start an authorization server, a TPP registry and a demo bank, with a PKI made afresh')
    .option('--dir <folder>', 'where everything is kept', '.tallystick')
    .option('--reset', 'start anew: new keys, certificates and clients')
    .option(
      '--port <number>',
      'port of the front channel, 0 = any free one (default: the last one, or 8443)',
      portNumber,
    )
    .option('--mtls-port <number>', 'port of the mTLS listener, likewise (8444)', portNumber)
    .option('--resource-port <number>', 'port of the demo bank, likewise (8445)', portNumber)
    .option('--tpp-port <number>', 'port of the page of the demo TPP, likewise (8446)', portNumber)
    .option('--app-port <number>', "port of the demo bank's application, likewise (8447)", portNumber)
    .option(
      '--register-port <number>',
      'port of the EBA register, the UK directory and the software statements, likewise (8448)',
      portNumber,
    )
    .option('--revocation-port <number>', 'port of the revocation service, chosen once', portNumber)
    .option('--host <name>', 'name or address in every URL, for other machines, chosen once', hostName)
    .option('--redirect-uri <url>', 'add a redirect URI to the demo clients (repeatable)', collectUrl, [])
    .addOption(
      new Option('--certificates-demanded <where>', 'where TPPs must present their certificate').choices(
        CERTIFICATE_DEMANDS,
      ),
    )
    .option('--tester <folder>', 'be tested from a folder of `conformance certificates --prepare`')
    .option('--automate-approvals', 'open an address that answers backchannel requests for customers')
    .option('--password-only', 'let customers log in without a second element, for tests that fill the form')
    .action(async (flags: Flags, command: Command) => {
      requireSandboxPackages(command);
      const { startSandbox } = await import('../sandbox/sandbox.ts');
      const sandbox = await startSandbox({
        folder: flags.dir,
        isReset: flags.reset === true,
        ports: given({
          front: flags.port,
          mtls: flags.mtlsPort,
          resource: flags.resourcePort,
          tpp: flags.tppPort,
          app: flags.appPort,
          register: flags.registerPort,
          revocation: flags.revocationPort,
        }),
        ...given({ host: flags.host }),
        redirectUris: flags.redirectUri,
        ...given({ certificatesDemanded: flags.certificatesDemanded }),
        ...(flags.tester === undefined ? {} : { amendConfiguration: await amendmentOf(flags.tester) }),
        automatesApprovals: flags.automateApprovals === true,
        strongAuthentication: flags.passwordOnly !== true,
      });
      console.log(welcome(sandbox));
      // SIGHUP: the terminal has been closed.
      await stopOnSignal(() => sandbox.close(), { signals: ['SIGINT', 'SIGTERM', 'SIGHUP'] });
    })
    .addCommand(sandboxRevokeCommand())
    .addCommand(sandboxWithdrawCommand())
    .addCommand(sandboxWithdrawIssuerCommand());
}

async function amendmentOf(tester: string) {
  const { sandboxAmendment } = await import('../certificate-conformance/folder/tested-sandbox.ts');
  return sandboxAmendment(tester);
}

function welcome({ description, logFile, descriptionFile }: RunningSandbox): string {
  const { bound, stolen } = curlLines(description);
  const customers = description.customers.map(({ username, password }) => `${username} / ${password}`);
  return [
    'The sandbox is ready.',
    '',
    `  authorization server   ${description.issuer}`,
    `  mTLS endpoints         ${description.mtlsUrl}`,
    `  demo bank              ${description.resourceUrl}`,
    `  a TPP for your browser ${description.tppUrl}`,
    `  the bank on a phone    ${description.appUrl}`,
    `  OCSP and CRLs          ${description.revocationUrl}`,
    ...(description.registers === undefined ? [] : registerLines(description.registers)),
    `  demo customers         ${customers.join(', ')}`,
    `  key of alice's codes   ${description.customers[0]?.totpSecret ?? ''}, for an authenticator app`,
    `  all of it, for tools   ${descriptionFile}`,
    `  log                    ${logFile}`,
    `  audit record           ${description.audit.folder}`,
    '',
    'A token by certificate, and a call to the bank with it:',
    '',
    bound,
    '',
    'The same token, stolen: refused from the certificate of another TPP:',
    '',
    stolen,
    '',
    `Click through it: connect the bank at ${description.tppUrl}, log in as ${customers[0]},`,
    `confirm on the phone at ${description.appUrl}. A payment with curl: docs/first-payment.md.`,
    '',
    'The whole walk, in another terminal: npm run demo. Stop with Ctrl+C.',
  ].join('\n');
}

function registerLines(registers: SandboxRegisters): string[] {
  const { ebaRegisterUrl, ukDirectoryUrl, listOfListsUrl, softwareDirectoryUrl } = registers;
  return [
    `  EBA register           ${ebaRegisterUrl}`,
    `  UK directory           ${ukDirectoryUrl}`,
    `  trusted lists          ${listOfListsUrl}`,
    `  software statements    ${softwareDirectoryUrl}/statements?tpp=money-one&market=uk-obie (POST)`,
  ];
}

/** Without the members that are undefined. */
function given<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as never;
}

function hostName(text: string): string {
  if (!URL.canParse(`https://${isIPv6(text) ? `[${text}]` : text}`) || !/^[\w.:-]+$/.test(text)) {
    throw new InvalidArgumentError('It must be a host name or an IP address.');
  }
  return text;
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('It must be a port number.');
  return port;
}

function collectUrl(text: string, earlier: readonly string[]): string[] {
  if (!URL.canParse(text) || text.includes('#')) {
    throw new InvalidArgumentError('It must be an absolute URL without a fragment.');
  }
  return [...earlier, text];
}
