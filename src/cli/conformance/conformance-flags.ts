import { InvalidArgumentError } from 'commander';

/** The flags of `tallystick conformance certificates`. */
export interface ConformanceFlags {
  readonly dir: string;
  readonly issuer?: string;
  readonly resource?: string;
  readonly tokenEndpoint?: string;
  readonly parEndpoint?: string;
  readonly ca?: string;
  readonly sandbox?: string;
  readonly authorize?: string;
  readonly client?: Readonly<Record<string, string>>;
  readonly parameter?: Readonly<Record<string, string>>;
  readonly assertionAudience?: string;
  readonly timeout: number;
  readonly listen: string;
  readonly json?: true;
  readonly junit?: string;
  readonly prepare?: true;
  readonly reset?: true;
  readonly revocationUrl?: string;
  readonly nca?: { readonly id: string; readonly name: string };
  readonly scope: string;
  readonly redirectUri: string;
}

/** Names of the clients that a server registers. */
export const CLIENTS = ['tls', 'jwt', 'other', 'withdrawn'];

export function httpsUrl(text: string): string {
  if (!URL.canParse(text) || new URL(text).protocol !== 'https:') {
    throw new InvalidArgumentError('It must be an https URL.');
  }
  return text;
}

export function httpUrl(text: string): string {
  if (!URL.canParse(text) || new URL(text).protocol !== 'http:') {
    throw new InvalidArgumentError(
      'It must be an http URL: CRLs and OCSP are signed, and served without TLS.',
    );
  }
  return text;
}

export function pairOf(text: string, earlier: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be name=value.');
  return { ...earlier, [text.slice(0, at)]: text.slice(at + 1) };
}

export function clientId(text: string, earlier?: Readonly<Record<string, string>>): Record<string, string> {
  const [name = ''] = text.split('=');
  if (!CLIENTS.includes(name)) throw new InvalidArgumentError(`The name is one of ${CLIENTS.join(', ')}.`);
  return pairOf(text, earlier);
}

export function ncaOf(text: string): NonNullable<ConformanceFlags['nca']> {
  const [, id, name] = /^([A-Z]{2}-[A-Z]{2,8})=(.+)$/.exec(text) ?? [];
  if (id === undefined || name === undefined) {
    throw new InvalidArgumentError('It must be such as FI-FINFSA=Finanssivalvonta.');
  }
  return { id, name };
}

export function timeLimit(text: string): number {
  const seconds = Number(text);
  if (!/^\d+$/.test(text) || seconds < 1 || seconds > 60)
    throw new InvalidArgumentError('It must be 1 to 60.');
  return seconds;
}
