import { OpenBankingError } from '../../errors.ts';
import { fieldsNamed, type RequestFacts } from '../token/presented-token.ts';
import { type InnerList, serializeInnerList, serializeItem, type StringItem } from './structured-fields.ts';

/** The value of a component; undefined when the message has none. */
export type ComponentValue = (component: StringItem) => string | undefined;

/**
 * The bytes that are signed (RFC 9421 §2.5).
 *
 *     "@method": POST
 *     "content-digest": sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:
 *     "@signature-params": ("@method" "content-digest");created=1618884473;keyid="k1"
 *
 * @throws ERR_SIGNATURE_COVERAGE for a component that is there twice, is not in the message or is not understood
 */
export function signatureBase(list: InnerList, componentValue: ComponentValue): Buffer {
  const identifiers = list.items.map(serializeItem);
  const repeated = identifiers.find((one, at) => identifiers.indexOf(one) !== at);
  if (repeated !== undefined) throw wrongCoverage(`${repeated} is covered twice`);
  const lines = list.items.map((component, at) => {
    const value = componentValue(component);
    if (value === undefined) throw wrongCoverage(`${identifiers[at]} is covered but not in the message`);
    return `${identifiers[at]}: ${value}\n`;
  });
  return Buffer.from(`${lines.join('')}"@signature-params": ${serializeInnerList(list)}`, 'latin1');
}

/**
 * The components of a request.
 *
 * @param origin scheme and authority under which clients know this API, never taken from the request
 * @throws ERR_SIGNATURE_COVERAGE for a component that is not understood
 */
export function componentOf(request: RequestFacts, origin: string): ComponentValue {
  return (component) => {
    const { value: name, parameters } = component;
    if (parameters.size > 0) throw wrongCoverage(`${serializeItem(component)} is not supported`);
    if (name.startsWith('@')) return derived(name, request, origin);
    return fieldValue(request, name);
  };
}

/** RFC 9421 §2.2: the derived components of a request. */
function derived(name: string, { method, url }: RequestFacts, origin: string): string {
  const { host, protocol } = new URL(origin);
  const query = url.indexOf('?');
  switch (name) {
    case '@method':
      return method;
    case '@target-uri':
      return `${origin}${url}`;
    case '@authority':
      return host;
    case '@scheme':
      return protocol.slice(0, -1);
    case '@request-target':
      return url;
    case '@path':
      return query < 0 ? url : url.slice(0, query);
    case '@query':
      return query < 0 ? '?' : url.slice(query);
    default:
      throw wrongCoverage(`"${name}" is not supported`);
  }
}

/** RFC 9421 §2.1: the lines of a field without the spaces around them, joined. */
export function fieldValue({ rawHeaders }: RequestFacts, name: string): string | undefined {
  const values = fieldsNamed(rawHeaders, name);
  return values.length === 0 ? undefined : values.map((value) => value.trim()).join(', ');
}

/** @throws ERR_SIGNATURE_COVERAGE for the first component that must be covered and is not */
export function assertCovered(needed: readonly string[], covered: readonly string[]): void {
  const missing = needed.find((name) => !covered.includes(name));
  if (missing !== undefined) throw wrongCoverage(`"${missing}" must be covered`);
}

export function wrongCoverage(problem: string): OpenBankingError<'ERR_SIGNATURE_COVERAGE'> {
  return new OpenBankingError('ERR_SIGNATURE_COVERAGE', { problem });
}
