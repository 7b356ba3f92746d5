import { bodyParser } from '@koa/bodyparser';
import type { Context, Middleware } from 'koa';
import type { z } from 'zod';
import { ApiRefusal } from './api-refusal.ts';

/** A fault of a body: its place, and which kind of fault. */
export interface BodyFault {
  readonly path: string;
  readonly kind: 'missing' | 'unexpected' | 'invalid';
  readonly text: string;
}

const parse = bodyParser({ enableTypes: ['json'], jsonLimit: '16kb' });

/** Reads a small JSON document. */
export const jsonBody: Middleware = async (ctx, next) => {
  if (ctx.is('json') === false) throw new ApiRefusal({ status: 415, text: 'the body is not JSON' });
  await parse(ctx, next);
};

/** The document as the schema has it, or its first fault. */
export function readBody<T>(
  ctx: Context,
  schema: z.ZodType<T>,
): { readonly value: T } | { readonly fault: BodyFault } {
  const { body } = ctx.request;
  const result = schema.safeParse(body);
  if (result.success) return { value: result.data };
  const [issue] = result.error.issues;
  if (issue?.code === 'unrecognized_keys') {
    const path = [...issue.path, issue.keys[0]].join('.');
    return { fault: { path, kind: 'unexpected', text: `${path} is unknown` } };
  }
  const at = issue?.path ?? [];
  const path = at.join('.');
  const isMissing = valueAt(body, at) === undefined;
  const text = `${path || 'the body'}: ${isMissing ? 'is missing' : (issue?.message ?? 'is not valid')}`;
  return { fault: { path, kind: isMissing ? 'missing' : 'invalid', text } };
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, name) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, name)
        ? (at as Record<PropertyKey, unknown>)[name]
        : undefined,
    value,
  );
}
