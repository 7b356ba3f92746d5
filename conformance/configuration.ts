import { readFile } from 'node:fs/promises';
import type { SandboxDescription, SandboxTpp } from '../src/sandbox/folder.ts';

/** The redirect URIs that the suite uses under an alias; the second is for its second client. */
export function redirectUrisOf(suite: URL, alias: string): readonly [string, string] {
  const callback = new URL(`/test/a/${alias}/callback`, suite).href;
  return [callback, `${callback}?dummy1=lorem&dummy2=ipsum`];
}

/**
 * A configuration of the OpenID Foundation's suite for the plan `fapi2-security-profile-final-test-plan`
 * (`private_key_jwt` or `mtls`, `sender_constrain=mtls`, `openid_connect`, `plain_fapi`) against a sandbox.
 *
 * The sandbox must have been started with `--redirect-uri` for each of `redirectUrisOf`.
 */
export async function suiteConfiguration(
  sandbox: SandboxDescription,
  options: { readonly alias: string; readonly method: 'tls_client_auth' | 'private_key_jwt' },
): Promise<Record<string, unknown>> {
  const [one, two] = ['money-one', 'money-two'].map((name) => sandbox.tpps.find((tpp) => tpp.name === name));
  const [customer] = sandbox.customers;
  if (one === undefined || two === undefined || customer === undefined) {
    throw new TypeError('this is not the description of a sandbox');
  }
  return {
    alias: options.alias,
    description: `Tallystick, FAPI 2.0 Security Profile, ${options.method}`,
    server: { discoveryUrl: `${sandbox.issuer}/.well-known/openid-configuration` },
    client: await clientOf(one, options.method),
    client2: await clientOf(two, options.method),
    mtls: await certificateOf(one, sandbox),
    mtls2: await certificateOf(two, sandbox),
    resource: { resourceUrl: `${sandbox.resourceUrl}/accounts` },
    browser: [walkOf(sandbox, customer)],
  };
}

async function clientOf(tpp: SandboxTpp, method: 'tls_client_auth' | 'private_key_jwt') {
  return {
    client_id: tpp.clients[method].client_id,
    scope: 'openid accounts',
    jwks: { keys: [JSON.parse(await readFile(tpp.signingKeyFile, 'utf8'))] },
  };
}

async function certificateOf(tpp: SandboxTpp, sandbox: SandboxDescription) {
  const [cert, key, ca] = await Promise.all(
    [tpp.certificateFile, tpp.keyFile, sandbox.caFile].map((file) => readFile(file, 'utf8')),
  );
  return { cert, key, ca };
}

/** How the suite's browser walks through our pages, by the ids that they have. */
function walkOf(
  sandbox: SandboxDescription,
  customer: { readonly username: string; readonly password: string },
) {
  const pages = `${sandbox.issuer}/interaction/*`;
  return {
    match: `${sandbox.issuer}/authorize*`,
    tasks: [
      {
        task: 'Log in',
        match: pages,
        optional: true,
        commands: [
          ['text', 'id', 'username', customer.username],
          ['text', 'id', 'password', customer.password],
          ['click', 'id', 'login'],
        ],
      },
      {
        task: 'Consent',
        match: pages,
        optional: true,
        commands: [
          ['click', 'id', 'account-0'],
          ['click', 'id', 'approve'],
        ],
      },
      { task: 'Back', match: '*/test/a/*/callback*', commands: [['wait', 'id', 'submission_complete', 10]] },
    ],
  };
}
