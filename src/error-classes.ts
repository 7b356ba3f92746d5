/** The evidence of most refusals. */
export type WithProblem = { problem: string };

/** A refusal of the catalogue: its class, the type of its evidence, and its rule. */
export interface Definition<Class, Details> {
  readonly class: Class;
  /** The rule that refused and the place where it is written: safe to show to the caller. */
  readonly rule: string;
  /** Never set: it carries the type of the evidence. */
  readonly details?: Details;
}

const of =
  <Class extends string>(errorClass: Class) =>
  <Details = WithProblem>(rule: string): Definition<Class, Details> => ({ class: errorClass, rule });
export const certificate = of('certificate');
export const tpp = of('tpp');
export const client = of('client');
export const scope = of('scope');
export const grant = of('grant');
export const request = of('request');
export const token = of('token');
export const proof = of('proof');
/** The signature of an HTTP message. */
export const signature = of('signature');
/** An answer of another system that is needed now: a later request may pass. */
export const unavailable = of('unavailable');
/** A document of the bank that cannot be used. */
export const document = of('document');
/** An address that may not be fetched. */
export const address = of('address');
export const proxy = of('proxy');
export const http = of('http');
export const misdirected = of('misdirected');
export const notFound = of('not-found');
export const method = of('method');
/** A body in a form that is not understood. */
export const content = of('content');
/** An answer of the bank's systems that breaks their contract. */
export const bank = of('bank');
/** More than one caller may have. */
export const limit = of('limit');
export const configuration = of('configuration');
