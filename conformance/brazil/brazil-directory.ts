import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import { TLSSocket } from 'node:tls';
import type { CertificateFiles } from '../../src/sandbox/folder.ts';
import { type ListedSoftware, SoftwareDirectory } from '../../src/sandbox/registers/software-directory.ts';
import type { BrazilSoftware } from './brazil-software.ts';

export interface BrazilDirectoryOptions {
  readonly software: BrazilSoftware;
  readonly redirectUris: readonly string[];
  /** Of the server, whose name is that of `origin`. */
  readonly tls: CertificateFiles;
  readonly origin: string;
  readonly bindAddress: string;
}

const TOKEN_BYTES = 32;
const TOKEN_SECONDS = 300;
const SCOPE = 'directory:software';

/** The addresses of the directory at an origin. */
export function directoryAddresses(origin: string) {
  return {
    discoveryUrl: `${origin}/.well-known/openid-configuration`,
    apiBase: `${origin}/`,
    jwksUri: `${origin}/jwks`,
    softwareJwksUri: `${origin}/software/jwks`,
  };
}

/**
 * The directory of Open Finance Brasil, as far as the suite's modules for registration ask it: a token for the holder of the
 * software's certificate, the software statement, and the keys. The real one is at another address, which those modules want.
 */
export class BrazilDirectory {
  readonly #options: BrazilDirectoryOptions;
  readonly #directory: SoftwareDirectory;
  readonly #listed: ListedSoftware;
  readonly #certificate: X509Certificate;
  readonly #tokens = new Set<string>();
  readonly #server: Server;

  private constructor(
    options: BrazilDirectoryOptions,
    directory: SoftwareDirectory,
    files: readonly [cert: string, key: string, own: string],
  ) {
    const [cert, key, own] = files;
    const { software, redirectUris, origin } = options;
    this.#options = options;
    this.#directory = directory;
    this.#certificate = new X509Certificate(own);
    const jwksUri = directoryAddresses(origin).softwareJwksUri;
    this.#listed = { ...software.listed, jwksUri, redirectUris };
    const tls = { cert, key, requestCert: true, rejectUnauthorized: false };
    this.#server = createServer(tls, async (request, response) => {
      const answer = await this.#answerTo(request);
      if (answer === undefined) response.writeHead(401).end();
      else if (typeof answer === 'string') {
        response.setHeader('content-type', 'application/jwt').end(answer);
      } else response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    });
  }

  static async open(options: BrazilDirectoryOptions): Promise<BrazilDirectory> {
    const { tls, software, origin, bindAddress } = options;
    const files = [tls.certificateFile, tls.keyFile, software.certificateFile];
    const [cert = '', key = '', own = ''] = await Promise.all(files.map((file) => readFile(file, 'utf8')));
    const opened = new BrazilDirectory(options, await SoftwareDirectory.create(), [cert, key, own]);
    opened.#server.listen(Number(new URL(origin).port), bindAddress);
    await once(opened.#server, 'listening');
    return opened;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** A JWT, or JSON; undefined for a caller or an address that is not known. */
  async #answerTo(request: IncomingMessage): Promise<string | object | undefined> {
    const { origin, software } = this.#options;
    const { orgId, softwareId } = this.#listed;
    switch (`${request.method} ${request.url}`) {
      case 'GET /.well-known/openid-configuration':
        return { issuer: origin, token_endpoint: `${origin}/token`, jwks_uri: `${origin}/jwks` };
      case 'GET /jwks':
        return this.#directory.jwks;
      case 'GET /software/jwks':
        return { keys: software.publicKeys };
      case 'POST /token':
        return this.#isSoftware(request) ? this.#newToken() : undefined;
      case `GET /organisations/${orgId}/softwarestatements/${softwareId}/assertion`:
        return this.#isSoftware(request) && this.#hasToken(request)
          ? this.#directory.statement('open-finance-brasil', this.#listed)
          : undefined;
      default:
        return undefined;
    }
  }

  #newToken() {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    this.#tokens.add(token);
    return { access_token: token, token_type: 'Bearer', expires_in: TOKEN_SECONDS, scope: SCOPE };
  }

  #hasToken({ headers }: IncomingMessage): boolean {
    const [, token = ''] = /^Bearer (\S+)$/.exec(headers.authorization ?? '') ?? [];
    return this.#tokens.has(token);
  }

  /** The certificate of the software, to the byte. */
  #isSoftware({ socket }: IncomingMessage): boolean {
    const presented = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
    return presented?.fingerprint256 === this.#certificate.fingerprint256;
  }
}
