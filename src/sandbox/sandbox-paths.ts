import { join } from 'node:path';

/** The name of the demo bank's APIs at the authorization server, and in their certificate. */
export const BANK_API = 'demo-bank-api';

/** A certificate and its key, as files. */
export interface CertificateFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** The same in one PKCS #12 file too, under `PKCS12_PASSPHRASE`: for browsers, Java and Postman. */
export interface TppCertificateFiles extends CertificateFiles {
  readonly pkcs12File: string;
}

/** The sandbox's files, by name. */
export function pathsOf(folder: string) {
  const at = (...parts: string[]) => join(folder, ...parts);
  return {
    lock: at('sandbox.lock'),
    state: at('state.json'),
    description: at('sandbox.json'),
    root: at('pki', 'root.pem'),
    issuingCa: at('pki', 'issuing-ca.pem'),
    intermediates: at('pki', 'intermediates.pem'),
    authority: (name: string) => ({
      ...certificateFiles(at('pki', name)),
      responder: certificateFiles(at('pki', `${name}-ocsp`)),
    }),
    issued: at('pki', 'issued.json'),
    revocations: at('revocations.json'),
    server: certificateFiles(at('pki', 'server')),
    /** The demo bank's own CA, and the certificate of its APIs. */
    bank: { ca: at('bank', 'ca.pem'), api: certificateFiles(at('bank', 'api')) },
    registry: at('registry.yaml'),
    store: at('tallystick.sqlite'),
    secret: at('secret'),
    signingKeys: at('signing-keys.json'),
    audit: { folder: at('audit'), keyFile: at('audit.key') },
    log: at('tallystick.log'),
    tpp: (name: string, file: string) => at('tpps', name, file),
    broken: (name: string) => certificateFiles(at('broken', name, 'qwac')),
    brokenCodes: at('broken', 'codes.json'),
    /** The public registers that the sandbox plays. */
    registers: {
      folder: at('registers'),
      state: at('registers', 'state.json'),
      server: certificateFiles(at('registers', 'server')),
      listSigner: (territory: string) => certificateFiles(at('registers', `${territory}-signer`)),
      /** The bank at the UK directory. */
      ukClient: {
        ...certificateFiles(at('registers', 'uk-directory-client')),
        signingKeyFile: at('registers', 'uk-directory-signing.key'),
      },
      officialJournal: at('registers', 'official-journal.pem'),
      published: (name: string) => at('registers', 'published', name),
    },
    /** The authorization server's own copies of them. */
    kept: {
      ebaRegister: at('eba-register'),
      ukDirectory: at('uk-directory'),
      trustedLists: at('trusted-lists'),
    },
  };
}

export function certificateFiles(path: string): CertificateFiles {
  return { certificateFile: `${path}.pem`, keyFile: `${path}.key` };
}

export function tppFiles(path: string): TppCertificateFiles {
  return { ...certificateFiles(path), pkcs12File: `${path}.p12` };
}
