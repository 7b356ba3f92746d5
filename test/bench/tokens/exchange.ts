import type { Socket } from 'node:net';

/** Between the head of an HTTP/1.1 answer and its body. */
export const END_OF_HEADERS = '\r\n\r\n';

/** The answer, whose length its header has. */
export function exchanged(socket: Socket, request: Buffer | string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const onEnd = () => reject(new Error('the connection has ended'));
    const onData = (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const head = received.indexOf(END_OF_HEADERS);
      if (head < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(received.toString('latin1', 0, head))?.[1] ?? 0);
      if (received.length < head + END_OF_HEADERS.length + length) return;
      socket.off('data', onData).off('close', onEnd).off('error', reject);
      resolve(received.toString('latin1'));
    };
    socket.on('data', onData).once('close', onEnd).once('error', reject);
    socket.write(request);
  });
}
