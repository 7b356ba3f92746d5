import type { RegisteredResourceServer } from '../authorization-server/tokens/resource-servers.ts';
import type { Config } from '../configuration/config.ts';
import { registeredResourceServer } from '../configuration/resource-server-schema.ts';
import type { Log } from '../events.ts';
import { openTrustFile } from '../tpp/trust-files.ts';
import { parseAnchor } from '../x509/certificate/certificate.ts';

/**
 * Opens the resource servers of a configuration, each with its anchors as their file is at the moment.
 *
 * @throws ERR_CONFIG_INVALID
 */
export async function openResourceServers(
  entries: Config['resourceServers'],
  log: Log,
): Promise<{ readonly all: readonly RegisteredResourceServer[]; close(): Promise<void> }> {
  const opened = await Promise.all(
    entries.map(async (entry, at) => {
      const path = `resourceServers[${at}].anchorsFile`;
      const anchors = await openTrustFile({ file: entry.anchorsFile, path, parse: parseAnchor, log });
      return { server: registeredResourceServer(entry, anchors), anchors };
    }),
  );
  return {
    all: opened.map(({ server }) => server),
    close: async () => void (await Promise.all(opened.map(({ anchors }) => anchors.close()))),
  };
}
