import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { DerReader, readAll, TAG } from '../../../src/x509/der/der.ts';
import { ecdsaSigner, extension, type Party } from '../certificate-factory.ts';
import * as der from '../der-writer.ts';
import * as ocsp from '../ocsp/ocsp-factory.ts';

/** What goes wrong between the server and its client; `undefined` is nothing. */
export type Fault =
  | 'hang'
  | 'drip'
  | 'reset'
  | 'error 500'
  | 'redirect'
  | 'garbage'
  | 'huge'
  | 'gzip bomb'
  | undefined;

/** A request as the responder sees it. */
export interface Asked {
  /** The whole CertID. */
  readonly certId: Buffer;
  readonly serialNumber: string;
  readonly nonce: Buffer | undefined;
}

/** A real HTTP server on loopback that gives what it is told to. */
export class ResponderFarm {
  /** By path. */
  readonly #answers = new Map<string, (request: Buffer) => Buffer>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  /** Paths that were asked for, in order. */
  readonly hits: string[] = [];
  fault: Fault;

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  url(path: string): string {
    return `http://${this.host}${path}`;
  }

  countOf(path: string): number {
    return this.hits.filter((hit) => hit === path).length;
  }

  serve(path: string, answer: (request: Buffer) => Buffer): void {
    this.#answers.set(path, answer);
  }

  /** Serves OCSP answers at `path`. */
  serveOcsp(path: string, answer: (asked: Asked) => Buffer): void {
    this.serve(path, (request) => answer(readRequest(request)));
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    this.hits.push(path);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    switch (this.fault) {
      case 'hang':
        return;
      case 'reset':
        request.socket.resetAndDestroy();
        return;
      case 'error 500':
        response.writeHead(500).end('no');
        return;
      case 'redirect':
        response.writeHead(302, { location: this.url('/elsewhere') }).end();
        return;
      case 'garbage':
        response.end('<html>please log in to the hotel network</html>');
        return;
      case 'huge':
        response.end(Buffer.alloc(3_000_000, 0x30));
        return;
      case 'gzip bomb':
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(50_000_000)));
        return;
      case 'drip': {
        const timer = setInterval(() => response.write(Buffer.from([0x30])), 50);
        response.on('close', () => clearInterval(timer));
        return;
      }
      case undefined: {
        const body = this.#answers.get(path)?.(Buffer.concat(chunks));
        response.writeHead(body === undefined ? 404 : 200).end(body);
      }
    }
  }
}

function readRequest(bytes: Buffer): Asked {
  const tbs = new DerReader(
    readAll(bytes, (all) => all.within(TAG.sequence, (one) => one.content(TAG.sequence))),
  );
  const certId = tbs.within(TAG.sequence, (list) =>
    list.within(TAG.sequence, (one) => one.element(TAG.sequence)),
  );
  const [, , , serial = Buffer.alloc(0)] = new DerReader(certId.content).all((field) => field.any().content);
  const nonce = tbs.optionalWithin(0xa2, (extensions) =>
    extensions.within(TAG.sequence, (list) =>
      list.within(TAG.sequence, (one) => {
        one.oid();
        return readAll(one.content(TAG.octetString), (value) => value.content(TAG.octetString));
      }),
    ),
  );
  return { certId: certId.raw, serialNumber: serial.toString('hex').replace(/^00/, ''), nonce };
}

/** The right answer to what was asked, as far as `options` leave it so. */
export function answerTo(
  asked: Asked,
  by: Party,
  options: ocsp.SingleOptions & Partial<ocsp.AnswerOptions> = {},
): Buffer {
  const { nonce } = asked;
  return ocsp.answer({
    singles: [ocsp.single(asked.certId, options)],
    by,
    extensions: nonce === undefined ? [] : [ocsp.nonce(nonce)],
    ...options,
  });
}

export interface CrlOptions {
  readonly revoked?: readonly string[];
  readonly number?: number;
  readonly thisUpdate?: Date;
  readonly nextUpdate?: Date;
  /** Signs in the name of `by`. */
  readonly signedBy?: Party;
}

/** The DER of a CRL that lists serial numbers. */
export function crl(by: Party, options: CrlOptions = {}): Buffer {
  const { revoked = [], thisUpdate = ocsp.minutes(-5), nextUpdate = ocsp.minutes(60) } = options;
  const signer = ecdsaSigner();
  const entries = revoked.map((serial) =>
    der.sequence(der.integer(BigInt(`0x${serial}`)), der.time(ocsp.minutes(-90))),
  );
  const tbs = der.sequence(
    der.integer(1),
    signer.algorithm,
    by.name,
    der.time(thisUpdate),
    der.time(nextUpdate),
    ...(entries.length === 0 ? [] : [der.sequence(...entries)]),
    der.context(0, der.sequence(extension('2.5.29.20', der.integer(options.number ?? 1)))),
  );
  const { keys } = options.signedBy ?? by;
  return der.sequence(tbs, signer.algorithm, der.bitString(signer.sign(tbs, keys.privateKey)));
}
