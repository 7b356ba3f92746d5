import type { IncomingMessage } from 'node:http';
import { BlockList, isIPv6, type Socket } from 'node:net';
import type { Context, Middleware } from 'koa';
import { type RateLimiterRes, RateLimiterMemory } from 'rate-limiter-flexible';
import { OpenBankingError } from '../../errors.ts';
import { addAddressRange } from '../../mutual-tls/address-ranges.ts';
import type { ClientCertificateSource } from '../../mutual-tls/client-certificate.ts';
import { networkOf } from '../../network-of.ts';
import type { ChangeableRates, RequestRateOptions } from '../../mutual-tls/limits/request-rate-options.ts';
import { actingTpp } from './tpp-gate.ts';

const MINUTE_SECONDS = 60;

/**
 * Limits the requests of one address and of one TPP. The address of a request is the peer of its connection, or what a
 * trusted proxy says. TPPs are counted by themselves: many may share an address.
 */
export class RequestRates implements ChangeableRates {
  readonly #source: ClientCertificateSource;
  #exempt: BlockList;
  /** By connection, whose peer does not change. Null: without limits by address. */
  #networks = new WeakMap<Socket, string | null>();
  readonly #tpps: RateLimiterMemory;
  readonly #addresses: RateLimiterMemory;
  readonly #refused: RateLimiterMemory;

  constructor(options: RequestRateOptions, source: ClientCertificateSource) {
    this.#source = source;
    const limiter = (points: number) => new RateLimiterMemory({ points, duration: MINUTE_SECONDS });
    this.#tpps = limiter(options.perTpp);
    this.#addresses = limiter(options.perAddress);
    this.#refused = limiter(options.refusedPerAddress);
    this.#exempt = exemptFrom(options);
  }

  /** Replaces the limits. What was counted in this minute is held against the new ones. */
  change(options: RequestRateOptions): void {
    this.#tpps.points = options.perTpp;
    this.#addresses.points = options.perAddress;
    this.#refused.points = options.refusedPerAddress;
    this.#exempt = exemptFrom(options);
    this.#networks = new WeakMap();
  }

  /** A step of the front channel. @throws ERR_ADDRESS_LIMIT */
  readonly ofAddress: Middleware = async (ctx, next) => {
    const network = this.#networkOf(ctx);
    if (network !== null) await this.#addresses.consume(network).catch(overAddress(this.#addresses));
    await next();
  };

  /** A step of the mTLS listener, before the certificate is judged. @throws ERR_ADDRESS_LIMIT */
  readonly ofStrangers: Middleware = async (ctx, next) => {
    const network = this.#networkOf(ctx);
    const spent = network === null ? null : await this.#refused.get(network);
    if (spent !== null && spent.remainingPoints <= 0) overAddress(this.#refused)(spent);
    try {
      await next();
    } catch (error) {
      const isStranger = actingTpp(ctx) === undefined;
      if (network !== null && isStranger) await this.#refused.penalty(network);
      throw error;
    }
  };

  /** A step of the mTLS listener, once the TPP is known. @throws ERR_TPP_LIMIT */
  readonly ofTpp: Middleware = async (ctx, next) => {
    const tpp = actingTpp(ctx);
    if (tpp !== undefined) {
      const { authorizationNumber } = tpp;
      await this.#tpps.consume(authorizationNumber).catch((answer: RateLimiterRes) => {
        const details = { authorizationNumber, limit: this.#tpps.points, seconds: secondsOf(answer) };
        throw new OpenBankingError('ERR_TPP_LIMIT', details);
      });
    }
    await next();
  };

  #networkOf({ req }: Context): string | null {
    const known = this.#networks.get(req.socket);
    if (known !== undefined) return known;
    const network = this.#limitedNetworkOf(req);
    this.#networks.set(req.socket, network);
    return network;
  }

  #limitedNetworkOf(request: IncomingMessage): string | null {
    const address = this.#source.findAddress(request);
    if (address === undefined) return null;
    return this.#exempt.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') ? null : networkOf(address);
  }
}

function exemptFrom({ exemptAddresses }: RequestRateOptions): BlockList {
  const exempt = new BlockList();
  for (const text of exemptAddresses) addAddressRange(exempt, text, 'exemptAddresses');
  return exempt;
}

function overAddress({ points }: RateLimiterMemory) {
  return (answer: RateLimiterRes): never => {
    throw new OpenBankingError('ERR_ADDRESS_LIMIT', { limit: points, seconds: secondsOf(answer) });
  };
}

function secondsOf({ msBeforeNext }: RateLimiterRes): number {
  return Math.ceil(msBeforeNext / 1000);
}
