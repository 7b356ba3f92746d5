import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Changes what a client sends; answers with the pieces to pass on, each in a write of its own. */
export type Tamper = (chunk: Buffer) => readonly Buffer[];

export interface TamperingProxy {
  readonly port: number;
  close(): void;
}

/** A proxy on the way to `port` that tampers with the bytes of the client. */
export function tamperingProxy(port: number, tamper: () => Tamper): Promise<TamperingProxy> {
  return new Promise((resolve) => {
    const open = new Set<Socket>();
    const server = createServer((client) => {
      const upstream = connect(port, '127.0.0.1');
      const change = tamper();
      for (const socket of [client, upstream]) {
        open.add(socket);
        socket.on('error', () => {});
        socket.setNoDelay(true);
      }
      let queue = Promise.resolve();
      client.on('data', (chunk: Buffer) => {
        for (const piece of change(chunk)) {
          queue = queue.then(async () => {
            upstream.write(piece);
            await new Promise((next) => setTimeout(next, 2));
          });
        }
      });
      upstream.on('data', (chunk) => client.write(chunk));
      client.on('close', () => upstream.destroy());
      upstream.on('close', () => client.destroy());
    });
    server.listen(0, '127.0.0.1', () => {
      const { port: own } = server.address() as AddressInfo;
      resolve({
        port: own,
        close: () => {
          for (const socket of open) socket.destroy();
          server.close();
        },
      });
    });
  });
}

export const HANDSHAKE = { certificate: 11, certificateVerify: 15 };

/** Puts another body into a handshake message of TLS 1.2, which is not encrypted yet (RFC 5246 §7.4). */
export function rewriteHandshake(type: number, rewrite: (body: Buffer) => Buffer): Tamper {
  return (chunk) => {
    const records: Buffer[] = [];
    for (let at = 0; at + 5 <= chunk.length; ) {
      const length = chunk.readUInt16BE(at + 3);
      const content = chunk.subarray(at + 5, at + 5 + length);
      const isHandshake = chunk[at] === 22 && content.length === length;
      records.push(
        isHandshake ? record(22, rewritten(content, type, rewrite)) : chunk.subarray(at, at + 5 + length),
      );
      at += 5 + length;
    }
    return [Buffer.concat(records)];
  };
}

function rewritten(content: Buffer, type: number, rewrite: (body: Buffer) => Buffer): Buffer {
  const messages: Buffer[] = [];
  for (let at = 0; at < content.length; ) {
    const length = at + 4 <= content.length ? content.readUIntBE(at + 1, 3) : 0;
    const body = content.subarray(at + 4, at + 4 + length);
    const isWanted = content[at] === type && body.length === length;
    messages.push(isWanted ? message(type, rewrite(body)) : content.subarray(at, at + 4 + length));
    at += 4 + length;
  }
  return Buffer.concat(messages);
}

function message(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type]), sized(3, body)]);
}

function record(type: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 3]), sized(2, content)]);
}

/** The bytes behind their length in so many octets. */
function sized(octets: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const length = Buffer.alloc(octets);
  length.writeUIntBE(content.length, 0, octets);
  return Buffer.concat([length, content]);
}

function extension(type: number, ...parts: readonly Buffer[]): Buffer {
  const number = Buffer.alloc(2);
  number.writeUInt16BE(type);
  return Buffer.concat([number, sized(2, ...parts)]);
}

/** A ClientHello of TLS 1.2 with this server name, whatever its bytes (RFC 6066 §3), in records of at most 16 kB. */
export function clientHello(serverName: Buffer): Buffer {
  const hello = message(
    1,
    Buffer.concat([
      Buffer.from([3, 3]),
      Buffer.alloc(32, 7),
      sized(1),
      sized(2, Buffer.from('c02fc030', 'hex')),
      sized(1, Buffer.from([0])),
      sized(
        2,
        extension(0, sized(2, Buffer.from([0]), sized(2, serverName))),
        extension(10, sized(2, Buffer.from('0017', 'hex'))),
        extension(11, sized(1, Buffer.from([0]))),
        extension(13, sized(2, Buffer.from('08040401', 'hex'))),
      ),
    ]),
  );
  const records: Buffer[] = [];
  for (let at = 0; at < hello.length; at += 16_384) records.push(record(22, hello.subarray(at, at + 16_384)));
  return Buffer.concat(records);
}
