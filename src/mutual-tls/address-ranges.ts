import { type BlockList, isIP } from 'node:net';

/**
 * Adds an address or a CIDR range, such as `10.0.0.0/28` or `::1`, to a list.
 *
 * @param field names the list in messages
 * @throws TypeError for any other text
 */
export function addAddressRange(list: BlockList, text: string, field: string): void {
  const [address = '', prefix, ...rest] = text.split('/');
  const version = isIP(address);
  const bits = prefix === undefined ? undefined : Number(prefix);
  const maximum = version === 6 ? 128 : 32;
  const isRange = bits === undefined || (/^\d{1,3}$/.test(prefix ?? '') && bits <= maximum);
  if (version === 0 || rest.length > 0 || !isRange) {
    throw new TypeError(`${field} must hold addresses and CIDR ranges, not ${JSON.stringify(text)}`);
  }
  const family = version === 6 ? 'ipv6' : 'ipv4';
  if (bits === undefined) list.addAddress(address, family);
  else list.addSubnet(address, bits, family);
}
