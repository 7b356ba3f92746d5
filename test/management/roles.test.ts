import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { managementOperations } from '../../src/management/operations/operations.ts';
import { ROLES, type Role } from '../../src/management/operators/operator.ts';
import { type Call, changing, type ManagedServer, startManaged } from './managed-server.ts';

const ALL = ROLES;
const OF_CLIENTS: readonly Role[] = ['operator'];
const NOT_VIEWER: readonly Role[] = ['support', 'operator', 'security'];
/** Who may what, spelled out: a change of the rights in the program fails here. */
const MAY: Readonly<Record<string, readonly Role[]>> = {
  readOperator: ALL,
  listTpps: ALL,
  readTpp: ALL,
  listCertificates: NOT_VIEWER,
  readCertificate: NOT_VIEWER,
  listClients: ALL,
  readClient: ALL,
  readOverview: ALL,
  listRefusals: ALL,
  createClient: OF_CLIENTS,
  changeClient: OF_CLIENTS,
  approveClient: OF_CLIENTS,
  disableClient: OF_CLIENTS,
  enableClient: OF_CLIENTS,
  deleteClient: OF_CLIENTS,
  searchConsents: ALL,
  readConsent: ALL,
  endConsent: ['support'],
  listKeys: ALL,
  rotateKeys: ['security'],
  readRegisters: ALL,
  listBlocks: ALL,
  readBlock: ALL,
  createBlock: ['operator'],
  liftBlock: ['operator'],
  searchAudit: ALL,
};
const operations = Object.values(managementOperations({} as never)).map(({ contract }) => contract);

let server: ManagedServer;
const calls = new Map<Role, Call>();
beforeAll(async () => {
  server = await startManaged();
  for (const role of ROLES) calls.set(role, await server.tls(role));
});
afterAll(() => server?.stop());

describe('each role', () => {
  it('stands in the table for each operation', () => {
    expect(Object.keys(MAY).toSorted()).toEqual(operations.map((one) => one.operationId).toSorted());
  });

  it.each(operations)('may $operationId as the table says', async ({ operationId, path, method, kind }) => {
    for (const [role, call] of calls) {
      const place = path.replaceAll(/\{\w+\}/g, 'x'.repeat(43));
      // Without a version nothing is changed, and an empty creation is refused.
      const request = method === 'get' ? {} : { ...changing(), method: method.toUpperCase() };
      const { status, json } = await call(place, request);
      if (MAY[operationId]?.includes(role) === true) {
        expect([200, 400, 404, 428], `${role} ${operationId}`).toContain(status);
        if (kind === 'change' && method === 'post') expect(status, operationId).toBe(428);
      } else {
        expect([status, json.code], `${role} ${operationId}`).toEqual([403, 'ERR_MANAGEMENT_ROLE']);
      }
    }
  });

  it('shows the customer of a consent to support only', async () => {
    const search = { method: 'POST', body: { customer: 'alice' } };
    expect((await calls.get('support')?.('/v1/consents/search', search))?.status).toBe(200);
    expect(await calls.get('operator')?.('/v1/consents/search', search)).toMatchObject({
      status: 403,
      json: { code: 'ERR_MANAGEMENT_ROLE' },
    });
  });
});
