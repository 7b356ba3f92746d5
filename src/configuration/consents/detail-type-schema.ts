import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type DetailType, DetailTypes, STANDARD_SCOPES } from '../../consent/details/detail-types.ts';
import { compileOwnType } from '../../consent/details/own-type.ts';
import { invalidConfig, type Problem } from '../../errors.ts';

/** `authorizationDetailsTypes` of a configuration file. */
export const detailTypesSchema = z
  .array(
    z.strictObject({
      type: z
        .string()
        .regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/, 'must be a name without spaces')
        .refine((type) => !Object.hasOwn(STANDARD_SCOPES, type), { error: 'is a type of this server' })
        .meta({ description: 'The `type` of the authorization details (RFC 9396 §2.1).' }),
      schemaFile: z.string().min(1).meta({
        description:
          'JSON Schema (2020-12) of the details. Members that the schema does not name are refused at every level. Read at the start.',
      }),
      scope: z.string().min(1).meta({
        description:
          'The scope of `apiScopes` that the details open. A client may send them if it has this scope; the role that the scope needs is that of the type.',
      }),
      kind: z.enum(['account-access', 'payment', 'other']).default('other').meta({
        description:
          '`account-access` can be renewed under one consent; `payment` is linked to the authentication of the customer.',
      }),
    }),
  )
  .max(50)
  .default([]);

type DetailTypesValue = z.infer<typeof detailTypesSchema>;

interface WithDetailTypes {
  readonly authorizationDetailsTypes: DetailTypesValue;
  readonly apiScopes: readonly string[];
}

/** Types twice, and scopes that no API has. */
export function findDetailTypeProblems({
  authorizationDetailsTypes: types,
  apiScopes,
}: WithDetailTypes): readonly Problem[] {
  return types.flatMap(({ type, scope }, index) => {
    const path = `authorizationDetailsTypes.${index}`;
    const isFirst = types.findIndex((other) => other.type === type) === index;
    return [
      ...(isFirst ? [] : [{ path: `${path}.type`, message: `is there twice: ${type}` }]),
      ...(apiScopes.includes(scope) ? [] : [{ path: `${path}.scope`, message: 'must be one of apiScopes' }]),
    ];
  });
}

/** The scope that each type opens, those of the standard first. */
export function detailScopesOf({
  authorizationDetailsTypes: types,
  apiScopes,
}: WithDetailTypes): Readonly<Record<string, string>> {
  const all = { ...STANDARD_SCOPES, ...Object.fromEntries(types.map(({ type, scope }) => [type, scope])) };
  return Object.fromEntries(Object.entries(all).filter(([, scope]) => apiScopes.includes(scope)));
}

/**
 * The types of authorization details of a validated configuration, with the schemas of own ones.
 *
 * @throws ERR_CONFIG_INVALID
 */
export function openDetailTypes({
  authorizationDetailsTypes: types,
  apiScopes,
}: WithDetailTypes): DetailTypes {
  const own = types.map(({ type, schemaFile, scope, kind }): DetailType => {
    try {
      const findProblem = compileOwnType(type, JSON.parse(readFileSync(schemaFile, 'utf8')));
      return { type, scope, kind, findProblem };
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      const problem = { path: 'authorizationDetailsTypes.schemaFile', message: `of ${type}: ${message}` };
      throw invalidConfig(schemaFile, [problem], cause);
    }
  });
  return new DetailTypes(own, apiScopes);
}
