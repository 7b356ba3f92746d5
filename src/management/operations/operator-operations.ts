import { z } from 'zod';
import { ROLES } from '../operators/operator.ts';
import { none, reading } from './contract.ts';

/** The operator who calls. */
export function operatorOperations() {
  return {
    readOperator: reading(
      {
        part: 'operator',
        operationId: 'readOperator',
        path: '/v1/operator',
        right: 'view',
        summary: 'Your name and roles, as changes are attributed to you',
        params: none,
        answer: z
          .object({
            name: z.string(),
            roles: z.array(z.enum(ROLES)),
            by: z.enum(['certificate', 'openid', 'local']),
          })
          .meta({ id: 'Operator' }),
      },
      async ({ operator }) => operator,
    ),
  };
}
