import type { GatewayConfig } from '../../configuration/gateway-config.ts';
import { openGatewayParts } from '../../server/gateway/gateway-server.ts';
import { type Address, addressChecks } from './address-checks.ts';
import { namedFileChecks, reportPairs } from './file-checks.ts';
import type { Check } from './findings.ts';
import { portCheck } from './network-checks.ts';
import { machineChecks } from './process-checks.ts';

/** The checks of the configuration of a gateway. */
export function gatewayChecks(config: GatewayConfig, source: string): readonly Check[] {
  const { host, port, health } = config.listen;
  const places = [
    { name: 'listen.port', host, port },
    ...(health === undefined ? [] : [{ name: 'listen.health', ...health }]),
  ];
  return [
    ...machineChecks(),
    ...namedFileChecks(config, source),
    {
      name: 'gateway',
      advice: 'mend the file or the field that is named (docs/packages.md)',
      run: async (findings) => {
        const parts = await openGatewayParts(config, { source, log: findings.log });
        if (parts.keyPair !== undefined) reportPairs(parts.keyPair, findings);
        await parts.close();
        findings.ok(`${config.routes.length} routes, and the files of the gateway can be read`);
      },
    },
    portCheck(places, health?.port),
    ...addressChecks(addressesOf(config)),
  ];
}

/** The addresses that a gateway asks, each as the gateway reaches it: the operator has named them all. */
function addressesOf(config: GatewayConfig): readonly Address[] {
  const { issuer, caFile, introspection, consents, signatures, upstream } = config;
  const guard = { allowPrivateAddresses: true };
  const keys = signatures !== undefined && 'clientKeys' in signatures ? signatures.clientKeys : undefined;
  const askers = { introspection, consents, 'client-keys': keys };
  const metadata = `${issuer}/.well-known/openid-configuration`;
  return [
    { name: 'issuer', url: metadata, guard, files: { caFile } },
    ...Object.entries(askers).flatMap(([name, asker]) =>
      asker === undefined ? [] : [{ name, url: asker.endpoint, guard, files: { ...asker, caFile } }],
    ),
    ...(upstream === undefined
      ? []
      : [{ name: 'upstream', url: upstream.origin, guard, files: { caFile: upstream.caFile } }]),
  ];
}
