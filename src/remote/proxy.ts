/** An HTTP proxy for outgoing requests, and the hosts that are reached without it. */
export interface ProxySettings {
  /** `http://proxy.example:3128`, with credentials where the proxy asks for some. */
  readonly url: string;
  /** `host`, `host:port`, `.domain` or `*.domain` for every host below it, `*` for all. */
  readonly exceptions: readonly string[];
}

/** Whether a request goes through the proxy. */
export function isProxied({ hostname, port, protocol }: URL, { exceptions }: ProxySettings): boolean {
  const host = hostname.toLowerCase();
  const ownPort = port === '' ? (protocol === 'https:' ? '443' : '80') : port;
  return !exceptions.some((exception) => {
    const text = exception.toLowerCase().replace(/^\*\./, '.');
    if (text === '*' || text === host || text === `${host}:${ownPort}`) return true;
    return text.startsWith('.') && host.endsWith(text);
  });
}

/** The settings of HTTPS_PROXY, HTTP_PROXY and NO_PROXY, in capitals or not, as curl reads them. */
export function proxyOfEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): ProxySettings | undefined {
  const read = (name: string) => environment[name.toLowerCase()] || environment[name];
  const url = read('HTTPS_PROXY') ?? read('HTTP_PROXY');
  if (url === undefined) return undefined;
  const exceptions = (read('NO_PROXY') ?? '').split(/[\s,]+/).filter((one) => one !== '');
  return { url, exceptions };
}
