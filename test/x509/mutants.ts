import fc from 'fast-check';

/** A few octets of something valid put otherwise, left out or added. */
export function mutantsOf(...originals: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    drop: fc.nat({ max: 3 }),
    put: fc.oneof(
      fc.uint8Array({ maxLength: 3 }),
      fc.constantFrom(...[0, 1, 2, 3, 6, 0x30, 0x80, 0xff].map((one) => Uint8Array.of(one))),
    ),
  });
  return fc
    .tuple(fc.constantFrom(...originals), fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([original, edits]) =>
      edits.reduce((bytes, { at, drop, put }) => {
        const offset = Math.floor(at * bytes.length);
        return Buffer.concat([bytes.subarray(0, offset), put, bytes.subarray(offset + drop)]);
      }, original),
    );
}
