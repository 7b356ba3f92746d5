import { readFile } from 'node:fs/promises';
import { systemClock } from '../../clock.ts';
import { isRefusal } from '../../errors.ts';
import { Outbound, type OutboundOptions } from '../../remote/outbound.ts';
import { judgeDrift } from './clock-drift.ts';
import { type Check, type Findings, reasonOf } from './findings.ts';

const FETCH_SECONDS = 8;
/** Enough of an answer to know that there is one. */
const FETCH_BYTES = 65_536;

/** An address that must be reached, with the guard by which a server or gateway reaches it. */
export interface Address {
  /** The name of the check. */
  readonly name: string;
  readonly url: string;
  readonly guard: Pick<OutboundOptions, 'proxy' | 'allowPrivateAddresses'>;
  /** The CA of its certificate where that is not a public one, and the pair that this side presents. */
  readonly files?: {
    readonly caFile?: string | undefined;
    readonly certificateFile?: string;
    readonly privateKeyFile?: string;
  };
}

export const ADDRESS_ADVICE = 'open the way: firewall, DNS, outbound.proxy, or privateHosts';

/** A check for each address. */
export function addressChecks(addresses: readonly Address[]): readonly Check[] {
  return addresses.map((address) => ({
    name: address.name,
    advice: ADDRESS_ADVICE,
    run: (findings) => checkAddress(address, findings),
  }));
}

export async function outboundFor({
  guard,
  files = {},
}: Pick<Address, 'guard' | 'files'>): Promise<Outbound> {
  const read = async (file: string | undefined) => file && (await readFile(file, 'utf8'));
  const [caPem, certificatePem, privateKeyPem] = await Promise.all(
    [files.caFile, files.certificateFile, files.privateKeyFile].map(read),
  );
  const isPair = certificatePem !== undefined && privateKeyPem !== undefined;
  return new Outbound({
    ...guard,
    caPem,
    clientCertificate: isPair ? { certificatePem, privateKeyPem } : undefined,
    allowHttp: true,
    timeoutSeconds: FETCH_SECONDS,
    maxBytes: FETCH_BYTES,
  });
}

/** Any answer shows that the way is open: the content is the matter of the part that reads it. */
export async function checkAddress(
  { url, ...way }: Omit<Address, 'name'>,
  findings: Findings,
): Promise<void> {
  const outbound = await outboundFor(way);
  try {
    const asked = systemClock.now();
    const { headers } = await outbound.fetchBytes(url);
    findings.ok(`${url} answers`);
    const other = new Date(headers.get('date') ?? '');
    if (Number.isNaN(other.getTime())) return;
    // The answer names the second that has begun.
    const second = new Date(Math.floor(asked.getTime() / 1000) * 1000);
    const whose = `the clock of ${new URL(url).host}`;
    judgeDrift(findings, { whose, other, asked: second, answered: systemClock.now() });
  } catch (error) {
    // Too long, or compressed.
    if (isRefusal(error, 'ERR_OUTBOUND_ANSWER')) findings.ok(`${url} answers`);
    else findings.problem(`${url} cannot be reached: ${reasonOf(error)}`);
  } finally {
    await outbound.close();
  }
}
