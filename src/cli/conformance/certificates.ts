import { Command, Option } from 'commander';
import {
  CLIENTS,
  clientId,
  type ConformanceFlags,
  httpsUrl,
  httpUrl,
  ncaOf,
  pairOf,
  timeLimit,
} from './conformance-flags.ts';
import { requireSandboxPackages } from '../sandbox-packages.ts';

const EXPLAINED = `
Do the checks of TPP certificates (PSD2, QWACs of eIDAS) hold on a TEST server?
The command plays the TPP and its CA: good and broken certificates are presented
to the token endpoint, to PAR and to an API. Each rule gets its verdict.

1. Prepare once. The folder gets a CA, certificates, and clients to register:

     tallystick conformance certificates --prepare --dir bank-test \\
       --revocation-url http://this-machine.example:8089

2. Give the server what bank-test/for-the-server/READ-ME.txt asks for: the root
   to trust, the address of CRLs and OCSP, four clients, three TPPs.

3. Run. CRLs and OCSP are served while the command runs:

     tallystick conformance certificates --dir bank-test --listen 0.0.0.0 \\
       --issuer https://as.example --resource https://api.example/accounts \\
       --ca server-ca.pem

An API or a TLS terminator without an authorization server: --resource alone, an
address that a good certificate may GET. Then the rules of TLS are tried.

A broken certificate must be refused clearly: in the TLS handshake, or by a 4xx
(with an error of OAuth, or 400, 401, 403). 5xx, a redirect, silence and the end
of the connection in place of an answer are failures. Where the good certificate
is not accepted, the rule "good" fails, and no other rule is tried.

Some 140 requests, one at a time, on a connection each, to the addresses of the
command line and of the issuer's metadata only.

Exit codes: 0 no rule failed (rules that cannot be tried are listed), 1 a rule
failed, 2 wrong use, or the target is not reached.`;

/** `tallystick conformance certificates`: the plan of TPP certificates against any server. */
export function certificatesCommand(): Command {
  return new Command('certificates')
    .description('try good and broken TPP certificates against a test server')
    .option('--dir <folder>', 'the prepared folder', '.tallystick-conformance')
    .addOption(new Option('--issuer <url>', 'the authorization server').argParser(httpsUrl))
    .addOption(new Option('--resource <url>', 'a GET of a protected API').argParser(httpsUrl))
    .addOption(new Option('--token-endpoint <url>', "instead of the metadata's").argParser(httpsUrl))
    .addOption(new Option('--par-endpoint <url>', "instead of the metadata's").argParser(httpsUrl))
    .option('--ca <file>', "CA of the target's own certificate, PEM (default: Node's list)")
    .addOption(
      new Option('--sandbox <folder>', 'the target is the running sandbox of this folder').conflicts([
        'issuer',
        'resource',
        'authorize',
        'ca',
      ]),
    )
    .option(
      '--authorize <program>',
      'gets an authorization URL, prints the URL of the callback; - asks you (for refresh tokens)',
    )
    .option('--client <name=id>', `id of a client: ${CLIENTS.join(', ')} (repeatable)`, clientId)
    .option('--parameter <name=value>', 'added to requests for tokens and PAR (repeatable)', pairOf)
    .option('--assertion-audience <aud>', 'audience of client assertions (default: the issuer)')
    .option('--timeout <seconds>', 'for each answer', timeLimit, 10)
    .option('--listen <address>', 'where CRLs and OCSP are served', '127.0.0.1')
    .option('--json', 'print one JSON document')
    .option('--junit <file>', 'also write JUnit XML')
    .option('--prepare', 'make the folder: CA, certificates, registrations')
    .option('--reset', 'with --prepare: a new CA in a folder that is prepared already')
    .addOption(
      new Option(
        '--revocation-url <url>',
        'with --prepare: where the server reaches this machine, http (default: a port of loopback)',
      ).argParser(httpUrl),
    )
    .addOption(
      new Option('--nca <id=name>', 'with --prepare: authority of the TPPs (default: GB-FCA)').argParser(
        ncaOf,
      ),
    )
    .option('--scope <scope>', 'with --prepare: of account information', 'openid accounts')
    .option('--redirect-uri <url>', 'with --prepare: of the clients', 'https://tpp.example/callback')
    .addHelpText('after', EXPLAINED)
    .action(async (flags: ConformanceFlags, command: Command) => {
      requireSandboxPackages(command);
      if (flags.prepare === true) {
        const { prepare } = await import('./prepare.ts');
        await prepare(flags);
        return;
      }
      const isNamed = [flags.issuer, flags.resource, flags.sandbox, flags.tokenEndpoint].some(Boolean);
      if (!isNamed) command.error('error: one of --issuer, --resource, --sandbox and --prepare is needed');
      const { runAndPrint } = await import('./run-and-print.ts');
      if (!(await runAndPrint(flags))) process.exitCode = 1;
    });
}
