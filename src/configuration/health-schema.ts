import { z } from 'zod';

const MAX_PORT = 65_535;
const port = z.int().min(0).max(MAX_PORT);
const HOST_AND_PORT = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z.-]+)):(\d{1,5})$/;

/** A port of loopback, or `host:port`, with an IPv6 address in brackets; or both as a validated value has them. */
export const healthAddressSchema = z
  .union([port, z.string(), z.strictObject({ host: z.string().min(1), port })])
  .transform((value, context) => {
    if (typeof value === 'number') return { host: '127.0.0.1', port: value };
    if (typeof value === 'object') return value;
    const [, address, name, digits] = HOST_AND_PORT.exec(value) ?? [];
    const host = address ?? name;
    if (host !== undefined && Number(digits) <= MAX_PORT) return { host, port: Number(digits) };
    context.addIssue({
      code: 'custom',
      message: 'must be a port, or host:port such as 0.0.0.0:9000 or [::]:9000',
    });
    return z.NEVER;
  });
