import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { invalidConfig } from '../errors.ts';
import type { Environment, Override } from './layers/environment.ts';
import { type ProxySettings, proxyOfEnvironment } from '../remote/proxy.ts';

const proxyUrl = z.url({ protocol: /^https?$/, error: 'must be the http or https URL of a proxy' });

const EXCEPTION = /^(\*|(\*?\.)?[A-Za-z0-9.-]+(:\d{1,5})?)$/;

/** `outbound` of a configuration file: the way of requests to responders and CRLs. */
export const outboundSchema = z
  .strictObject({
    proxy: proxyUrl.optional().meta({
      description:
        'HTTP proxy for every request of this server to other hosts (OCSP, CRLs, trusted lists, registers, pings of CIBA), `http://proxy.example:3128`. The proxy resolves the names, so the proxy must refuse private addresses.',
    }),
    proxyExceptions: z
      .array(z.string().regex(EXCEPTION, 'must be a host, host:port or .domain'))
      .default([])
      .meta({
        description:
          'Hosts that are reached without the proxy: `host`, `host:port`, `.domain` for all below it.',
      }),
    proxyFromEnvironment: z.boolean().default(false).meta({
      description:
        'Takes HTTPS_PROXY or HTTP_PROXY, and NO_PROXY, of the environment where `proxy` is not set. They are ignored otherwise.',
    }),
  })
  .prefault({});

type OutboundValue = z.infer<typeof outboundSchema>;

/** The proxy of a validated value; undefined where requests go out directly. */
export function proxyOf({ proxy, proxyExceptions }: OutboundValue): ProxySettings | undefined {
  return proxy === undefined ? undefined : { url: proxy, exceptions: proxyExceptions };
}

/** The proxy of HTTPS_PROXY, HTTP_PROXY and NO_PROXY, where the value of a configuration asks for it. */
export function proxyOverrides(value: unknown, environment: Environment): readonly Override[] {
  const outbound: Readonly<Record<string, unknown>> = Object(Object(value).outbound);
  if (outbound.proxyFromEnvironment !== true || outbound.proxy !== undefined) return [];
  const found = proxyOfEnvironment(environment);
  if (found === undefined) return [];
  const known = Array.isArray(outbound.proxyExceptions) ? outbound.proxyExceptions : [];
  // Addresses and networks in NO_PROXY are left out: no host name is like them.
  const exceptions = [...known, ...found.exceptions.filter((one) => EXCEPTION.test(one))];
  return [
    { path: ['outbound', 'proxy'], value: found.url, origin: 'HTTPS_PROXY or HTTP_PROXY' },
    ...(exceptions.length === known.length
      ? []
      : [{ path: ['outbound', 'proxyExceptions'], value: exceptions, origin: 'NO_PROXY' }]),
  ];
}

/** An entry of a list of hosts that may have private addresses. */
export const listedHost = z
  .string()
  .regex(/^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/, 'must be a host, or host:port');

/** The PEM of a file of CAs, which `path` of the configuration names. @throws ERR_CONFIG_INVALID when it cannot be read */
export function caPemOf(file: string, path: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable';
    throw invalidConfig(file, [{ path, message: `cannot be read: ${code}` }], cause);
  }
}
