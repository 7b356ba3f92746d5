import type { EN_PASSKEYS } from '../en/passkeys.ts';

/** The page of a customer's passkeys, in German. */
export const DE_PASSKEYS: Readonly<Record<keyof typeof EN_PASSKEYS, string>> = {
  'passkeys.title': 'Ihre Passkeys',
  'passkeys.lead': 'Mit einem Passkey bestätigen Sie durch Fingerabdruck, Gesicht oder PIN Ihres Geräts.',
  'passkeys.none': 'Sie haben noch keinen Passkey.',
  'passkeys.unnamed': 'Passkey',
  'passkeys.since': 'Hinzugefügt am {date}.',
  'passkeys.last-used': 'Zuletzt verwendet am {date}.',
  'passkeys.never-used': 'Noch nicht verwendet.',
  'passkeys.remove': 'Entfernen',
  'passkeys.new': 'Passkey hinzufügen',
  'passkeys.name': 'Name dieses Geräts',
  'passkeys.add': 'Passkey hinzufügen',
  'passkeys.full': 'Sie haben so viele Passkeys wie möglich. Entfernen Sie zuerst einen.',
  'passkeys.needs-script': 'Schalten Sie JavaScript ein, um einen Passkey hinzuzufügen.',
  'passkeys.back': 'Zu Ihren Zugriffen',
  'passkeys.added': 'Der Passkey wurde hinzugefügt.',
  'passkeys.removed': 'Der Passkey wurde entfernt.',
  'problem.passkey-new': 'Der Passkey konnte nicht hinzugefügt werden. Bitte versuchen Sie es erneut.',
};
