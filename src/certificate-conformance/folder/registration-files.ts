import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import { stringify } from 'yaml';
import { pathsOf } from '../../sandbox/folder.ts';
import { keyOf } from '../../sandbox/pki/keys.ts';
import { loadCertificate } from '../../sandbox/revocation/published-authority.ts';
import { formatName } from '../../x509/certificate/distinguished-name.ts';
import { type ClientName, HANDED_OVER, type PreparedFolder, TPP_OF } from './prepared-folder.ts';

const CLIENTS: readonly ClientName[] = ['tls', 'jwt', 'other', 'withdrawn'];
const GRANTS = ['client_credentials', 'authorization_code', 'refresh_token'];
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** The private keys of the `private_key_jwt` client, one for each algorithm that FAPI allows and servers have. */
export function signingKeysFile({ folder }: PreparedFolder): string {
  return join(folder, 'tpps', TPP_OF.jwt, 'signing-keys.json');
}

/** Writes what the operator of the server registers and trusts, and a page that says so. */
export async function writeRegistrations(prepared: PreparedFolder): Promise<void> {
  const { folder, tester } = prepared;
  const at = (name: string) => join(folder, HANDED_OVER, name);
  const paths = pathsOf(folder);
  const keys = await writeSigningKeys(prepared);
  const registered = await Promise.all(
    CLIENTS.map(async (name) => ({ name, metadata: await metadataOf(prepared, name, keys) })),
  );
  const clients = registered.map(({ name, metadata }) => ownForm(prepared, name, metadata));
  const json = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;
  await Promise.all([
    copyFile(paths.root, join(folder, tester.rootFile)),
    copyFile(paths.intermediates, join(folder, tester.intermediatesFile)),
    copyFile(paths.registry, at('registry.yaml')),
    writeFile(join(folder, tester.clientsFile), stringify({ clients }, { aliasDuplicateObjects: false })),
    ...registered.map(({ name, metadata }) => writeFile(at(`register-${name}.json`), json(metadata))),
    writeFile(at('READ-ME.txt'), instructions(prepared)),
  ]);
}

async function writeSigningKeys(prepared: PreparedFolder): Promise<readonly JWK[]> {
  const made = await Promise.all(
    (['ec-p256', 'rsa-2048'] as const).map(async (type) => {
      const jwk = await exportJWK(await keyOf(type));
      const alg = type === 'ec-p256' ? 'ES256' : 'PS256';
      return { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) };
    }),
  );
  await writeFile(signingKeysFile(prepared), JSON.stringify({ keys: made }), { mode: 0o600 });
  return made.map(publicPart);
}

function publicPart(jwk: JWK): JWK {
  return Object.fromEntries(Object.entries(jwk).filter(([name]) => !PRIVATE_MEMBERS.includes(name)));
}

/** A client in the names of RFC 7591 and RFC 8705. */
async function metadataOf(prepared: PreparedFolder, name: ClientName, keys: readonly JWK[]) {
  const { tester } = prepared;
  const { subject } = await loadCertificate(prepared.tppOf(name).certificateFile);
  return {
    client_id: prepared.clientId(name),
    client_name: `Conformance ${name}`,
    redirect_uris: [tester.redirectUri],
    grant_types: GRANTS,
    response_types: ['code'],
    scope: tester.scope,
    tls_client_certificate_bound_access_tokens: true,
    ...(name === 'jwt'
      ? { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys } }
      : {
          token_endpoint_auth_method: 'tls_client_auth',
          tls_client_auth_subject_dn: formatName(subject, 'strict'),
        }),
  };
}

/** The same as an entry of `clientsFile`: the client belongs to a TPP, not to a subject. */
function ownForm(
  prepared: PreparedFolder,
  name: ClientName,
  metadata: Awaited<ReturnType<typeof metadataOf>>,
) {
  const { response_types: _types, tls_client_certificate_bound_access_tokens: _bound, ...rest } = metadata;
  const { tls_client_auth_subject_dn: _subject, ...entry } = { tls_client_auth_subject_dn: '', ...rest };
  return { ...entry, authorization_number: prepared.tppOf(name).organizationIdentifier };
}

function instructions(prepared: PreparedFolder): string {
  const { tester } = prepared;
  const rows = CLIENTS.map((name) => {
    const { organizationIdentifier, legalName, status } = prepared.tppOf(name);
    return `  ${prepared.clientId(name).padEnd(26)} ${organizationIdentifier}, ${legalName}, ${status}`;
  });
  return `Tallystick conformance of TPP certificates: what the server under test needs.
Use a TEST server: the keys of this CA lie in a folder beside this one.

1. Trust the root    trust-this-root.pem, as issuer of TPP certificates.
                     intermediates.pem: for servers that do not read what clients send.
                     The path has one intermediate (nginx: ssl_verify_depth 3;
                     Tallystick: allowSandboxAnchors, profile eu-qualified).
2. Let it reach      ${tester.revocationUrl}
                     CRLs (/root.crl, /issuing-ca.crl) and OCSP (/ocsp), served while
                     the command runs.
3. Register clients  register-*.json (RFC 7591), or clients.yaml (Tallystick).
                     A server that chooses client ids itself: name them at the run
                     (--client tls=ID).

${rows.join('\n')}

4. Authorise TPPs    Those of the list above, with every role of PSD2, authorised by
                     ${tester.nca.id} (${tester.nca.name}); registry.yaml is the list
                     in the form of Tallystick. The last one is registered as withdrawn.
                     No TPP of the number 999999.

Then run, on this machine:

  tallystick conformance certificates --dir FOLDER --issuer https://bank.example \\
    --resource https://api.bank.example/accounts --ca server-ca.pem
`;
}
