import { BlockList, isIP } from 'node:net';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether an address to bind can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  const version = isIP(host);
  if (version === 0) return host.toLowerCase() === 'localhost';
  return LOOPBACK.check(host, version === 6 ? 'ipv6' : 'ipv4');
}

/**
 * Whether a Host field names this machine by a name or an address of loopback. A page of another site can have its own
 * name resolve to 127.0.0.1 (DNS rebinding); the browser then still sends that name.
 */
export function namesLoopback(host: string): boolean {
  if (!URL.canParse(`http://${host}`)) return false;
  const { hostname, username, pathname } = new URL(`http://${host}`);
  return username === '' && pathname === '/' && isLoopback(hostname.replace(/^\[(.*)\]$/, '$1'));
}
