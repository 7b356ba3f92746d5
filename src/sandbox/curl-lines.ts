import type { SandboxDescription, SandboxTpp } from './folder.ts';

/** Two lines for a POSIX shell with curl and sed: one that works, and one that shows the effect of the binding. */
export function curlLines(description: SandboxDescription): {
  readonly bound: string;
  readonly stolen: string;
} {
  const owner = tppNamed(description, 'money-one');
  const thief = tppNamed(description, 'money-two');
  const token =
    `ANSWER=$(curl -sS ${tls(description, owner)} -d grant_type=client_credentials -d scope=accounts ` +
    `-d client_id=${owner.clients.tls_client_auth.client_id} ${description.mtlsUrl}/token); ` +
    `TOKEN=$(echo "$ANSWER" | sed -n 's/.*"access_token":"\\([^"]*\\)".*/\\1/p'); `;
  const call = (tpp: SandboxTpp) =>
    `curl -sS -w '\\nHTTP %{http_code}\\n' ${tls(description, tpp)} -H "Authorization: Bearer $TOKEN" ` +
    `${description.resourceUrl}/accounts`;
  const line = (tpp: SandboxTpp) => `${token} if [ -n "$TOKEN" ]; then ${call(tpp)}; else echo "$ANSWER"; fi`;
  return { bound: line(owner), stolen: line(thief) };
}

function tls({ caFile }: SandboxDescription, tpp: SandboxTpp): string {
  return `--cacert ${quoted(caFile)} --cert ${quoted(tpp.certificateFile)} --key ${quoted(tpp.keyFile)}`;
}

function quoted(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export function tppNamed(description: SandboxDescription, name: string): SandboxTpp {
  const found = description.tpps.find((tpp) => tpp.name === name);
  if (found === undefined) throw new TypeError(`the sandbox has no TPP ${name}`);
  return found;
}
