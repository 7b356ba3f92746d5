import { type EventFields, logTo } from '../../../src/events.ts';
import { CrlIndexer } from '../../../src/x509/crl/crl-indexer.ts';
import type { VerifiedPath } from '../../../src/x509/path/path.ts';
import {
  createRevocation,
  type Revocation,
  type RevocationOptions,
  type RevocationPolicy,
  STRICT_REVOCATION,
} from '../../../src/x509/revocation/revocation.ts';
import { RevocationIo, type RevocationIoOptions } from '../../../src/x509/revocation/revocation-io.ts';
import { NOW } from '../certificate-factory.ts';
import { ResponderFarm } from './responder-farm.ts';

type DeskOptions = Partial<RevocationIoOptions> & Partial<RevocationOptions>;

/** Responders, and checkers that may ask them; `close` closes them all. */
export class RevocationLab {
  readonly farm = new ResponderFarm();
  readonly #closing: (() => Promise<unknown>)[] = [() => this.farm.close()];

  async open(): Promise<this> {
    await this.farm.listen();
    return this;
  }

  /** Another server, of which checkers know nothing yet. */
  async farmOf(): Promise<ResponderFarm> {
    const farm = await new ResponderFarm().listen();
    this.#closing.push(() => farm.close());
    return farm;
  }

  desk(options: DeskOptions = {}): Desk {
    const desk = openDesk(this.farm, options);
    this.#closing.push(() => desk.revocation.close());
    return desk;
  }

  async close(): Promise<void> {
    await Promise.all(this.#closing.splice(0).map((close) => close()));
  }
}

/** A revocation checker with a clock that is set by hand, and what it logged and counted. */
export interface Desk {
  readonly revocation: Revocation;
  readonly events: string[];
  readonly logged: { readonly event: string; readonly fields: EventFields | undefined }[];
  /** Moves the clock by seconds. */
  pass(seconds: number): void;
  /** `accepted`, or the code of the refusal and its problems. */
  outcome(path: VerifiedPath, policy?: Partial<RevocationPolicy>): Promise<string>;
}

function openDesk(farm: ResponderFarm, options: DeskOptions): Desk {
  let at = NOW.getTime();
  const clock = { now: () => new Date(at) };
  const events: string[] = [];
  const logged: Desk['logged'] = [];
  const log = logTo((event, { level }, fields) => {
    if (level !== 'debug') logged.push({ event, fields });
    if (event === 'revocation.answered') events.push(`answer.${fields.outcome}`);
    if (event === 'revocation.unknown.accepted') events.push('unknown.accepted');
  });
  const io = new RevocationIo({
    clock,
    log,
    privateHosts: [farm.host],
    ocspTimeoutSeconds: 5,
    crlTimeoutSeconds: 5,
    maxCrlBytes: 1_000_000,
    coolDownSeconds: 15,
    ...options,
  });
  const revocation = createRevocation({
    io,
    indexer: new CrlIndexer(),
    clock,
    log,
    tickSeconds: 0.05,
    ...options,
  });
  const policies = new Map<string, RevocationPolicy>();
  return {
    revocation,
    events,
    logged,
    pass: (seconds) => {
      at += seconds * 1000;
    },
    outcome: async (path, change = {}) => {
      const key = JSON.stringify(change, (name, value: unknown) => (name === 'issuer' ? undefined : value));
      const policy = policies.get(key) ?? { ...STRICT_REVOCATION, ...change };
      policies.set(key, policy);
      try {
        await revocation.check(path, policy);
        return 'accepted';
      } catch (error) {
        return told(error);
      }
    },
  };
}

function told(error: unknown): string {
  const { code, details } = error as {
    code?: string;
    details?: { problems?: readonly string[]; reason?: string };
  };
  if (code === undefined) throw error;
  return [
    code,
    ...(details?.problems ?? []),
    ...(details?.reason === undefined ? [] : [details.reason]),
  ].join(' | ');
}
