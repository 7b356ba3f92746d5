import { relative } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, the longest first. A file that is missing here only starts later than it could. */
const LONGEST: readonly string[] = [
  'test/durability/kills.test.ts',
  'test/server/worker-faults.test.ts',
  'test/cli/sandbox.test.ts',
  'test/cli/client.test.ts',
  'test/durability/registrations/registrations.test.ts',
  'test/durability/workers.test.ts',
  'test/management/console/console-browser.test.ts',
  'test/authorization-server/request/storage-away.test.ts',
  'test/durability/races.test.ts',
  'test/authorization-server/dashboard/dashboard.test.ts',
  'test/x509/certificate/openssl.test.ts',
  'test/durability/stop.test.ts',
  'test/authorization-server/customer/pages/journeys.test.ts',
  'test/cli/certificate.test.ts',
  'test/storage/redis/redis-sentinel.test.ts',
  'test/sandbox/registers.test.ts',
  'test/durability/backup/backup.test.ts',
  'test/resource-server/decision/live-authorisation.test.ts',
  'test/authorization-server/customer/way-back.test.ts',
  'test/authorization-server/request/storage-hangs.test.ts',
  'test/conformance/conformance-command.test.ts',
  'test/durability/revoked-certificate.test.ts',
  'test/durability/failover.test.ts',
  'test/cli/registry.test.ts',
  'test/authorization-server/consent-information/consent-information.test.ts',
  'test/authorization-server/clients/clients.test.ts',
  'test/authorization-server/customer/pages/two-customers.test.ts',
  'test/authorization-server/token-status/token-status.test.ts',
  'test/certificate-conformance/servers.test.ts',
  'test/management/workers.test.ts',
  'test/authorization-server/customer/authorisation-status.test.ts',
  'test/authorization-server/request/authorization-request/encrypted-request.test.ts',
  'test/authorization-server/tokens/key-bound-tokens.test.ts',
  'test/audit/kills.test.ts',
  'test/authorization-server/signing/pkcs11/server-with-token.test.ts',
  'test/storage/sqlite/sqlite-faults.test.ts',
  'test/cli/report.test.ts',
  'test/server/trusted-lists.test.ts',
  'test/server/metrics/server-metrics.test.ts',
  'test/cli/doctor.test.ts',
  'test/storage/redis/redis-cluster.test.ts',
  'test/authorization-server/bank-api/webhooks.test.ts',
  'test/authorization-server/customer/pages/layout.test.ts',
  'test/cli/trust-list.test.ts',
  'test/storage/sqlite/sqlite.test.ts',
  'test/authorization-server/flow.test.ts',
  'test/authorization-server/customer/browser.test.ts',
  'test/authorization-server/bank-api/bank-app.test.ts',
  'test/logging/line-output.test.ts',
  'test/mutual-tls/tls-attacks.test.ts',
  'test/authorization-server/request/push-without-certificate.test.ts',
  'test/authorization-server/customer/passkeys.test.ts',
  'test/storage/redis/redis-access.test.ts',
  'test/storage/redis/redis-faults.test.ts',
  'test/authorization-server/signing/pkcs11/pkcs11-keys.test.ts',
  'test/sandbox/tpp-page.test.ts',
  'test/mutual-tls/proxies/gateway-behind-proxies.test.ts',
  'test/authorization-server/models/adapter.test.ts',
];

/** Starts the longest files first, so that no long one is left alone at the end; the others by size. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const placeOf = ({ moduleId, project }: TestSpecification) => {
      const place = LONGEST.indexOf(relative(project.config.root, moduleId).replaceAll('\\', '/'));
      return place === -1 ? LONGEST.length : place;
    };
    return sorted.toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}
