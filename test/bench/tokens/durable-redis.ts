/** Options of a Redis as docs/storage.md tells operators: it answers when the write is on its disk. */
export const DURABLE = { lines: ['appendfsync always'] } as const;
