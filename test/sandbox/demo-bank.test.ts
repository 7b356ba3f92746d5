import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { startTestSandbox, type TestSandbox } from '../authorization-server/running-sandbox.ts';

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterAll(() => sandbox.stop());

describe('the demo bank', () => {
  it.each([
    ['an unknown address', 'GET', '/nothing', 404],
    ['the wrong method', 'PUT', '/payments', 405],
    ['an unknown method', 'PATCH', '/nothing', 404],
  ])('answers %s with its status', async (_title, method, path, status) => {
    const certificate = tppNamed(sandbox.description, 'money-one');
    const answer = await sandbox.send(`${sandbox.description.resourceUrl}${path}`, { method, certificate });
    expect(answer.status).toBe(status);
    expect(answer.json.error).toMatch(/^[a-z_]+$/);
  });
});
