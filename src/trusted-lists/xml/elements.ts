import type { XmlElement, XmlNode } from '@xmldom/xmldom';
import { malformed } from './document.ts';

export type { XmlElement } from '@xmldom/xmldom';

/** Namespaces of trusted lists (TS 119 612, EN 319 132-1, XML Signature). */
export const NAMESPACE = Object.freeze({
  list: 'http://uri.etsi.org/02231/v2#',
  listExtra: 'http://uri.etsi.org/02231/v2/additionaltypes#',
  qualifications: 'http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#',
  signature: 'http://www.w3.org/2000/09/xmldsig#',
  xades: 'http://uri.etsi.org/01903/v1.3.2#',
});
export type Namespace = keyof typeof NAMESPACE;

const ELEMENT = 1;

function isElement(node: XmlNode): node is XmlElement {
  return node.nodeType === ELEMENT;
}

/** An element, with the list that it is of for refusals. */
export class ListElement {
  readonly element: XmlElement;
  readonly source: string;

  constructor(element: XmlElement, source: string) {
    this.element = element;
    this.source = source;
  }

  is(name: string, namespace: Namespace = 'list'): boolean {
    return this.element.localName === name && this.element.namespaceURI === NAMESPACE[namespace];
  }

  /** The children of a name, or every child element. */
  children(name?: string, namespace: Namespace = 'list'): ListElement[] {
    const found: ListElement[] = [];
    for (let node = this.element.firstChild; node !== null; node = node.nextSibling) {
      if (!isElement(node)) continue;
      const child = new ListElement(node, this.source);
      if (name === undefined || child.is(name, namespace)) found.push(child);
    }
    return found;
  }

  /** The children of a name within the one child of another, if there is one: `<Services><Service/></Services>`. */
  listed(container: string, name: string, namespace: Namespace = 'list'): ListElement[] {
    return this.optional(container, namespace)?.children(name, namespace) ?? [];
  }

  /**
   * The only child of a name.
   *
   * @throws ERR_TRUSTED_LIST_MALFORMED when there is none or more than one
   */
  only(name: string, namespace: Namespace = 'list'): ListElement {
    const child = this.optional(name, namespace);
    if (child === undefined) throw this.malformed(`${this.element.localName} has no ${name}`);
    return child;
  }

  /** @throws ERR_TRUSTED_LIST_MALFORMED when there is more than one */
  optional(name: string, namespace: Namespace = 'list'): ListElement | undefined {
    const [child, second] = this.children(name, namespace);
    if (second !== undefined) throw this.malformed(`${this.element.localName} has more than one ${name}`);
    return child;
  }

  get text(): string {
    return this.element.textContent?.trim() ?? '';
  }

  /** Without an attribute `name`: undefined. */
  attribute(name: string): string | undefined {
    return this.element.hasAttribute(name) ? (this.element.getAttribute(name) ?? '') : undefined;
  }

  /**
   * An instant of XML Schema in UTC.
   *
   * @throws ERR_TRUSTED_LIST_MALFORMED
   */
  instant(): Date {
    const { text } = this;
    const date = new Date(text);
    if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/.test(text) || Number.isNaN(date.getTime())) {
      throw this.malformed(`${this.element.localName} is no instant in UTC: ${text.slice(0, 40)}`);
    }
    return date;
  }

  /** @throws ERR_TRUSTED_LIST_MALFORMED unless the text is base64 of something */
  bytes(): Buffer {
    const text = this.text.replaceAll(/\s+/g, '');
    const bytes = Buffer.from(text, 'base64');
    if (bytes.length === 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
      throw this.malformed(`${this.element.localName} is not base64`);
    }
    return bytes;
  }

  malformed(problem: string) {
    return malformed(this.source, problem);
  }
}
