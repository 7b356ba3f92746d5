// The part of @xmldom/xmldom 0.8 that is used here. The package's own types bring the types of browsers into every file.
export interface XmlNode {
  readonly nodeType: number;
  readonly firstChild: XmlNode | null;
  readonly nextSibling: XmlNode | null;
  readonly parentNode: XmlNode | null;
  readonly textContent: string | null;
}
export interface XmlElement extends XmlNode {
  readonly localName: string;
  readonly namespaceURI: string | null;
  readonly attributes: {
    readonly length: number;
    item(at: number): { readonly name: string; readonly localName: string; readonly value: string } | null;
  };
  getAttribute(name: string): string | null;
  hasAttribute(name: string): boolean;
}
export interface XmlDocument extends XmlNode {
  readonly documentElement: XmlElement | null;
}
export declare class DOMParser {
  constructor(options: {
    readonly errorHandler: (level: 'warning' | 'error' | 'fatalError', message: string) => void;
  });
  parseFromString(text: string, type: 'text/xml'): XmlDocument;
}
