/** A change that the console offers, in words for its page. Every one asks for a name and a reason. */
export interface Action {
  /** The operation of the management API. */
  readonly operation:
    | 'approveClient'
    | 'disableClient'
    | 'enableClient'
    | 'deleteClient'
    | 'endConsent'
    | 'liftBlock'
    | 'rotateKeys';
  /** The operation that shows what is changed, with its version. */
  readonly read: 'readClient' | 'readConsent' | 'readBlock' | 'listKeys';
  /** The identifier in the path of both; absent where there is only one. */
  readonly param?: 'clientId' | 'consentId' | 'blockId';
  readonly title: string;
  readonly effect: string;
  readonly button: string;
  readonly isDestructive: boolean;
  /** The page to which the operator returns. */
  readonly back: (id: string) => string;
}

const client = (id: string) => `/console/clients/${encodeURIComponent(id)}`;

export const ACTIONS: Readonly<Record<string, Action>> = Object.freeze({
  'approve-client': {
    operation: 'approveClient',
    read: 'readClient',
    param: 'clientId',
    title: 'Approve a client',
    effect: 'The client may act from now on.',
    button: 'Approve',
    isDestructive: false,
    back: client,
  },
  'disable-client': {
    operation: 'disableClient',
    read: 'readClient',
    param: 'clientId',
    title: 'Disable a client',
    effect: 'The client may do nothing until it is enabled. Its grants and consents stay.',
    button: 'Disable',
    isDestructive: true,
    back: client,
  },
  'enable-client': {
    operation: 'enableClient',
    read: 'readClient',
    param: 'clientId',
    title: 'Enable a client',
    effect: 'The client may act again.',
    button: 'Enable',
    isDestructive: false,
    back: client,
  },
  'delete-client': {
    operation: 'deleteClient',
    read: 'readClient',
    param: 'clientId',
    title: 'Delete a client',
    effect: 'The client ends for good, with every grant, token and consent of it.',
    button: 'Delete for good',
    isDestructive: true,
    back: () => '/console/clients',
  },
  'end-consent': {
    operation: 'endConsent',
    read: 'readConsent',
    param: 'consentId',
    title: 'End a consent',
    effect: 'The consent ends with its grant and every token. The TPP has to ask the customer again.',
    button: 'End the consent',
    isDestructive: true,
    back: (id) => `/console/consents/${encodeURIComponent(id)}`,
  },
  'lift-block': {
    operation: 'liftBlock',
    read: 'readBlock',
    param: 'blockId',
    title: 'Lift a block',
    effect: 'What was blocked may act again, if nothing else forbids it.',
    button: 'Lift the block',
    isDestructive: true,
    back: () => '/console/blocks',
  },
  'rotate-keys': {
    operation: 'rotateKeys',
    read: 'listKeys',
    title: 'Rotate the keys',
    effect: 'New keys are published at once and sign after the delay. Tokens of the old keys stay good.',
    button: 'Make new keys',
    isDestructive: false,
    back: () => '/console/keys',
  },
} satisfies Record<string, Action>);
