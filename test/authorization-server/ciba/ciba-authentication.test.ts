import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterAll(() => sandbox.stop());

describe('a client that does not authenticate', () => {
  it.each([
    ['/backchannel', 401, 'CIBA Core §13'],
    ['/token', 400, 'RFC 6749 §5.2'],
  ])('gets invalid_client at %s with the status %i (%s)', async (path, status) => {
    const { json, ...answer } = await sandbox.post('money-one', path, {
      client_id: 'money-two-mtls-ciba-poll',
      grant_type: 'urn:openid:params:grant-type:ciba',
      request: 'a.b.c',
    });
    expect({ status: answer.status, error: json.error }).toEqual({ status, error: 'invalid_client' });
  });
});
